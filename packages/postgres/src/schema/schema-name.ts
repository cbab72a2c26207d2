import { createHash } from "node:crypto";

/** Bytes that a name may have in PostgreSQL. */
const LONGEST = 63;
/** What the end of a name looks like that was shortened. */
const HASHED = /_[0-9a-f]{12}$/;

/** The schema of a bus: `busbar_<name of the bus>`, or a form of the name with a hash if PostgreSQL cannot take it. */
export function schemaNameOf(namespace: string): string {
  const plain = `busbar_${namespace}`;
  if (/^[a-z0-9_]+$/.test(plain) && plain.length <= LONGEST && !HASHED.test(plain)) return plain;
  const hash = createHash("sha256").update(namespace).digest("hex").slice(0, 12);
  const readable = plain.toLowerCase().replaceAll(/[^a-z0-9_]+/g, "_");
  return `${readable.slice(0, LONGEST - hash.length - 1)}_${hash}`;
}
