import type { JsonValue } from "../contract/json.ts";
import { type DeliveryState, stateOf } from "./failures.ts";

/**
 * Makes the state of a delivery that a provider cannot read, for a dead letter that says why. For provider
 * authors.
 *
 * @param problem What is the matter, without anything of what could not be read.
 * @param at Milliseconds since the epoch.
 */
export function stateOfCorrupt(problem: string, at: number): JsonValue {
  const state: DeliveryState = {
    runs: 0,
    errors: [{ at, name: "CorruptDelivery", message: problem }],
  };
  return state;
}

/**
 * Makes the smallest state that counts as much as another: without the texts of its errors. For provider
 * authors whose broker refuses a settlement for its size.
 */
export function withoutErrorTexts(state: JsonValue): JsonValue {
  const { runs, errors } = stateOf(state);
  const last = errors.at(-1);
  const kept = last
    ? [{ at: last.at, name: "Error", message: "The text was too large to keep" }]
    : [];
  const small: DeliveryState = { runs, errors: kept };
  return small;
}
