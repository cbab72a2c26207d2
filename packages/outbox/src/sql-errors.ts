/** How deep the error of a driver may be within those of a query builder or an ORM. */
const DEPTH = 8;
/** Where they keep the error that they wrap, or what it said. */
const WITHIN = ["cause", "driverError", "driverAdapterError", "originalError", "meta"] as const;
/** Where the code of PostgreSQL stands. */
const CODES = ["code", "originalCode"] as const;

/**
 * Whether a transaction was rolled back because others got in its way, so that the same work may succeed
 * when it is repeated: a serialization failure or a deadlock of PostgreSQL.
 */
export function isConflict(error: unknown): boolean {
  // P2034 is what Prisma says of both.
  return codesOf(error).some((code) => code === "40001" || code === "40P01" || code === "P2034");
}

function codesOf(error: unknown): readonly string[] {
  return layersOf(error).flatMap((layer) =>
    CODES.flatMap((name) => {
      const code: unknown = layer[name];
      return typeof code === "string" ? [code] : [];
    }),
  );
}

/** An error, and those that it wraps. */
function layersOf(error: unknown): readonly Readonly<Record<string, unknown>>[] {
  const layers: Readonly<Record<string, unknown>>[] = [];
  const waiting: unknown[] = [error];
  while (waiting.length > 0 && layers.length < DEPTH) {
    const layer = waiting.shift();
    if (typeof layer !== "object" || layer === null) continue;
    layers.push(layer as Readonly<Record<string, unknown>>);
    waiting.push(...WITHIN.map((name) => (layer as Readonly<Record<string, unknown>>)[name]));
  }
  return layers;
}
