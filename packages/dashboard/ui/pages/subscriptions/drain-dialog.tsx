import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ActionResult } from "../../../src/contract/api.ts";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { ChoiceField, TextField } from "../../components/field.tsx";
import { useToast } from "../../components/toast-context.ts";
import { plural } from "../../format.ts";
import type { SubscriptionDialogProps } from "./pause-dialog.tsx";

/** Takes everything that waits out of a subscription. */
export function DrainDialog({ subscription, onChanged, onClose }: SubscriptionDialogProps): VNode {
  const { subscriberId, ready, delayed } = subscription;
  const showToast = useToast();
  const [backlog, setBacklog] = useState("dead-letter");
  const [typed, setTyped] = useState("");
  const isDiscard = backlog === "discard";
  const drain = async (): Promise<void> => {
    const path = `api/subscriptions/${encodeURIComponent(subscriberId)}/drain`;
    const { count } = await send<ActionResult>("POST", path, { backlog });
    const deliveries = plural(count, "pending delivery", "pending deliveries");
    showToast(
      isDiscard
        ? `Discarded ${deliveries} of ${subscriberId}.`
        : `Moved ${deliveries} of ${subscriberId} to its dead letters.`,
    );
    await onChanged();
  };
  return (
    <ActionDialog
      title={`Drain ${subscriberId}?`}
      action={isDiscard ? "Discard the backlog" : "Move to dead letters"}
      kind={isDiscard ? "danger" : "primary"}
      isReady={!isDiscard || typed === subscriberId}
      run={drain}
      onClose={onClose}
    >
      <p>
        {plural(ready + delayed, "delivery is pending", "deliveries are pending")} at the moment.
        Runs that have begun are not touched, and new events are delivered as before.
      </p>
      <ChoiceField
        label="What becomes of pending deliveries"
        value={backlog}
        onChange={setBacklog}
        choices={[
          {
            value: "dead-letter",
            label: "Move them to the dead letters",
            hint: "From there, you can replay them.",
          },
          {
            value: "discard",
            label: "Discard them",
            hint: "They are deleted. This cannot be undone.",
          },
        ]}
      />
      {isDiscard && (
        <TextField
          label={`Type ${subscriberId} to confirm`}
          value={typed}
          onChange={setTyped}
          mono
        />
      )}
    </ActionDialog>
  );
}
