/*
 * A process may load two copies of this package: two versions of it, or one as CommonJS in a bundle. What crosses from
 * one to the other is known here by names that both have, and not by identity. See docs/decisions/0044-two-copies.md.
 */

/** Goes up when what is shared changes in a way that an older copy does not understand. */
const FORMAT = 1;

/** The one value of a name that all copies in the process share: that of the copy which asks first. */
export function sharedByCopies<T extends object>(name: string, create: () => T): T {
  const key = symbolOf(name);
  const shared = (globalThis as { readonly [key: symbol]: unknown })[key];
  if (shared !== undefined) return shared as T;
  const created = create();
  // Fails where the global object is frozen: then a copy is on its own.
  Reflect.defineProperty(globalThis, key, { value: created });
  return created;
}

/** Marks a value, or with a prototype all its instances, so that other copies know what it is. */
export function mark(target: object, name: string): void {
  Object.defineProperty(target, symbolOf(name), { value: true });
}

/** Whether a copy has marked a value so. */
export function isMarked(value: unknown, name: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  try {
    return (value as { readonly [key: symbol]: unknown })[symbolOf(name)] === true;
  } catch {
    // A proxy.
    return false;
  }
}

function symbolOf(name: string): symbol {
  return Symbol.for(`@busbar/core/${FORMAT}/${name}`);
}
