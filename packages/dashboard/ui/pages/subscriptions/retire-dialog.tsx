import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ActionResult } from "../../../src/contract/api.ts";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { CheckField, ChoiceField, TextField } from "../../components/field.tsx";
import { useToast } from "../../components/toast-context.ts";
import { plural } from "../../format.ts";
import type { SubscriptionDialogProps } from "./pause-dialog.tsx";

/** Ends a subscription, or takes events from it. */
export function RetireDialog({ subscription, onChanged, onClose }: SubscriptionDialogProps): VNode {
  const { subscriberId, events, ready, delayed, instances } = subscription;
  const showToast = useToast();
  const [kept, setKept] = useState<ReadonlySet<string>>(new Set());
  const [backlog, setBacklog] = useState("dead-letter");
  const [typed, setTyped] = useState("");
  const chosen = events.filter((name) => !kept.has(name));
  const isWhole = chosen.length === events.length;
  const retire = async (): Promise<void> => {
    const path = `api/subscriptions/${encodeURIComponent(subscriberId)}/retire`;
    const { count } = await send<ActionResult>("POST", path, {
      backlog,
      ...(!isWhole && { events: chosen }),
    });
    showToast(
      `Retired ${isWhole ? subscriberId : `${plural(chosen.length, "event")} of ${subscriberId}`}. ${plural(
        count,
        "pending delivery was",
        "pending deliveries were",
      )} ${backlog === "discard" ? "discarded" : "moved to the dead letters"}.`,
    );
    await onChanged();
  };
  const toggle = (name: string): void => {
    const next = new Set(kept);
    if (!next.delete(name)) next.add(name);
    setKept(next);
  };
  return (
    <ActionDialog
      title={`Retire ${subscriberId}?`}
      action={isWhole ? "Retire the subscription" : `Retire ${plural(chosen.length, "event")}`}
      kind="danger"
      isReady={chosen.length > 0 && typed === subscriberId}
      run={retire}
      onClose={onClose}
    >
      <p>
        {isWhole
          ? "The subscription ends in every process: it gets no new events."
          : "The subscription no longer gets the chosen events, in every process."}
      </p>
      {instances > 0 && (
        <div class="notice notice-warn">
          <strong>
            {plural(instances, "process still has", "processes still have")} handlers for this
            subscription.
          </strong>
          A process that starts with these handlers declares the subscription again.
        </div>
      )}
      {events.length > 1 && (
        <fieldset class="group">
          <legend class="legend">Events to retire</legend>
          {events.map((name) => (
            <CheckField
              key={name}
              label={name}
              checked={!kept.has(name)}
              onChange={() => toggle(name)}
            />
          ))}
        </fieldset>
      )}
      <ChoiceField
        label={`What becomes of ${plural(ready + delayed, "pending delivery", "pending deliveries")}`}
        value={backlog}
        onChange={setBacklog}
        choices={[
          {
            value: "dead-letter",
            label: "Move them to the dead letters",
            hint: "From there, you can replay them or discard them.",
          },
          {
            value: "keep",
            label: "Keep them",
            hint: "They wait until a process has the subscription again.",
          },
          {
            value: "discard",
            label: "Discard them",
            hint: "They are deleted. This cannot be undone.",
          },
        ]}
      />
      <TextField label={`Type ${subscriberId} to confirm`} value={typed} onChange={setTyped} mono />
    </ActionDialog>
  );
}
