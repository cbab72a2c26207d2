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

/**
 * Whether an error says that the database cannot do its work for the moment, and nothing about the work:
 * out of reach, starting or stopping, too busy, or locked by others.
 */
export function isPassing(error: unknown): boolean {
  return (
    isConflict(error) ||
    codesOf(error).some((code) =>
      /^(08...|53...|57P0[1235]|55P03|25006|E[A-Z]{4,}|SQLITE_(BUSY|LOCKED).*|P1001|P1002|P1008|P1017|P2024|P2028|CONNECTION_\w+|CONNECT_TIMEOUT)$/.test(
        code,
      ),
    ) ||
    messagesOf(error).some((message) =>
      /connection terminated|timeout exceeded when trying to connect|database is locked/i.test(
        message,
      ),
    )
  );
}

function codesOf(error: unknown): readonly string[] {
  return layersOf(error).flatMap((layer) =>
    CODES.flatMap((name) => {
      const code: unknown = layer[name];
      return typeof code === "string" ? [code] : [];
    }),
  );
}

function messagesOf(error: unknown): readonly string[] {
  return layersOf(error).flatMap(({ message }) => (typeof message === "string" ? [message] : []));
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
