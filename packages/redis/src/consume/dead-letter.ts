import type { JsonValue } from "@busbar/core";
import type { DeadInfo } from "../scripts/dead-letter-scripts.ts";
import type { DeadSpec } from "../scripts/settle-script.ts";
import { writeData } from "./job-data.ts";

/** A dead letter to add: its entry in a request, and the two texts that go with it. */
export interface NewDeadLetter {
  readonly spec: DeadSpec;
  readonly texts: readonly [info: string, data: string];
}

/** A delivery that is dead. `event` is its JSON. */
export function createDeadLetter({
  id,
  subscription,
  event,
  reason,
  state,
  diedAt,
  ...replay
}: {
  readonly id: string;
  readonly subscription: string;
  readonly event: string;
  readonly reason: string;
  readonly state: JsonValue;
  readonly diedAt: number;
} & Pick<DeadInfo, "queue" | "name" | "priority" | "key" | "turn" | "blocks">): NewDeadLetter {
  const info: DeadInfo = { reason, state, diedAt, ...replay };
  return {
    spec: { subscription, id, diedAt },
    texts: [JSON.stringify(info), writeData(subscription, [event])],
  };
}
