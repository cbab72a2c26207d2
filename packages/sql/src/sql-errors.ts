/** How deep the error of a driver may be within those of a query builder or an ORM. */
const DEPTH = 8;
/** Prisma writes the code of the database into the message of a raw query. */
const CODE_IN_MESSAGE = /\bCode: `(\w+)`/;
const CONFLICT = /^(40001|40P01|P2034)$/;
/** Of PostgreSQL, Node's sockets, SQLite, Postgres.js and Prisma, in this order. */
const PASSING =
  /^(08\w{3}|53\w{3}|57P\w{2}|55P03|25P0[34]|25006|E[A-Z]{4,}|SQLITE_(BUSY|LOCKED)\w*|CONNECT\w+|P10(01|02|08|17)|P20(24|28))$/;
const PASSING_MESSAGE =
  /connection terminated|connection ended|timeout exceeded when trying to connect|database is locked|did not answer within|came too late/i;

/**
 * Whether a transaction was rolled back because others got in its way, so that the same work may succeed
 * when it runs again: a serialization failure or a deadlock of PostgreSQL.
 */
export function isConflict(error: unknown): boolean {
  return layersOf(error).some(({ code }) => CONFLICT.test(code));
}

/**
 * Whether an error says that the database cannot work for the moment, and nothing about the work: it is out
 * of reach, starts or stops, has too much to do, or others have something locked.
 */
export function isPassing(error: unknown): boolean {
  return layersOf(error).some(
    ({ code, message }) =>
      CONFLICT.test(code) || PASSING.test(code) || PASSING_MESSAGE.test(message),
  );
}

/** Whether an error says that a table or its schema does not exist. Prisma has the code of PostgreSQL in its message. */
export function isMissing(error: unknown): boolean {
  return layersOf(error).some(
    ({ code, message }) =>
      /^(42P01|3F000)$/.test(code) || /no such table|does not exist/.test(message),
  );
}

/** An error, and those that it wraps. */
function layersOf(error: unknown): readonly { readonly code: string; readonly message: string }[] {
  const layers: { code: string; message: string }[] = [];
  for (let layer = error; layer instanceof Error && layers.length < DEPTH; layer = layer.cause) {
    const code = "code" in layer && typeof layer.code === "string" ? layer.code : "";
    const { message } = layer;
    const inMessage = CODE_IN_MESSAGE.exec(message)?.[1];
    layers.push({ code: inMessage ?? code, message });
  }
  return layers;
}
