/** Whether two values are the same JSON. A provider may have changed the order of members. */
export function isSame(one: unknown, other: unknown): boolean {
  return process.getBuiltinModule("node:util").isDeepStrictEqual(one, other);
}
