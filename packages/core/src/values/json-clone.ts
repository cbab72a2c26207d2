import type { JsonValue } from "../contract/json.ts";

/** Copies a value that is JSON already, so that a handler may do with it what it likes. */
export function cloneJson<T extends JsonValue | undefined>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneJson) as unknown as T;
  // Spread first, because engines are at their best with it, and then what is nested.
  return cloneNested({ ...(value as object) }) as T;
}

/** Makes a clone of what is nested in a shallow clone of JSON, and gives the shallow one back. */
export function cloneNested<T extends Record<string, unknown>>(shallow: T): T {
  const clone: Record<string, unknown> = shallow;
  for (const key in clone) {
    const member = clone[key];
    if (typeof member !== "object" || member === null || !isOwn(clone, key)) continue;
    setMember(clone, key, cloneJson(member as JsonValue));
  }
  return shallow;
}

/** Unlike `Object.hasOwn`, this costs nothing in a loop over members. */
export function isOwn(object: object, key: string): boolean {
  return Object.prototype.hasOwnProperty.call(object, key);
}

/** Sets a member, also one that is named `__proto__`. */
export function setMember<T>(target: Record<string, T>, key: string, value: T): void {
  if (key === "__proto__") {
    // Assigning would set the prototype and lose the member.
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else {
    target[key] = value;
  }
}
