import { Problem, wrongHeader } from "./problem.ts";

/** The entity tag of a version. */
export function etagOf(version: number): string {
  return `"${version}"`;
}

/**
 * The version that `If-Match` asks for. Undefined without it, and for `*`.
 *
 * @throws Problem when it is no entity tag, or none of ours.
 */
export function versionOf(ifMatch: string | null): number | undefined {
  const text = ifMatch?.trim();
  if (text === undefined || text === "*") return undefined;
  // A proxy that compresses answers makes the tag weak.
  const tag = /^(?:W\/)?"([!#-~]*)"$/.exec(text)?.[1];
  if (tag === undefined) throw wrongHeader("If-Match", 'must be one entity tag, such as "3"');
  if (!/^\d{1,9}$/.test(tag)) {
    const detail = "is not the entity tag of any version";
    throw new Problem("version-mismatch", `Header If-Match: ${detail}`, {
      errors: [{ header: "If-Match", detail }],
    });
  }
  return Number(tag);
}

/** Whether `If-None-Match` says that the client has this entity tag. */
export function isKnown(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return ifNoneMatch.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
