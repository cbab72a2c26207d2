import type { JsonValue } from "@busbar/core/provider";
import type { DeadInfo } from "../scripts/dead-letter-scripts.ts";
import type { DeadSpec } from "../scripts/settle-script.ts";

/** A dead letter to add: its entry in a request, and the two texts that go with it. */
export interface NewDeadLetter {
  readonly spec: DeadSpec;
  readonly texts: readonly [info: string, data: string];
}

/** A delivery that is dead. `data` is that of the job that a replay adds. */
export function createDeadLetter({
  id,
  subscription,
  data,
  reason,
  state,
  ...replay
}: {
  readonly id: string;
  readonly subscription: string;
  readonly data: string;
  readonly reason: string;
  readonly state: JsonValue;
} & Pick<DeadInfo, "queue" | "name" | "priority" | "key" | "turn">): NewDeadLetter {
  const info: DeadInfo = { reason, state, ...replay };
  return {
    spec: { subscription, id },
    texts: [JSON.stringify(info), data],
  };
}
