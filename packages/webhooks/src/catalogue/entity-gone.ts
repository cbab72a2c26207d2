/**
 * Thrown by a resolver when the entity of the event no longer exists. `whenGone` of the event's definition says what
 * becomes of the event then.
 *
 * @example
 * ```ts
 * throw new EntityGone("Order 42 was deleted");
 * ```
 */
export class EntityGone extends Error {
  /** Always `EntityGone`. */
  override readonly name: string = "EntityGone";
}

/** Whether a value is an {@link EntityGone}, from any copy of the package. */
export function isEntityGone(error: unknown): boolean {
  return error instanceof Error && error.name === "EntityGone";
}
