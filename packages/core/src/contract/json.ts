/** A value that JSON can carry without loss. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** An object whose members are all {@link JsonValue}s; absent members may be undefined. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}
