import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ActionResult, EventContent } from "../../../src/contract/api.ts";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { ChoiceField } from "../../components/field.tsx";
import { useToast } from "../../components/toast-context.ts";
import { plural } from "../../format.ts";

/** Cancels the pending deliveries of an event: to one subscription, or to all. */
export function CancelDialog(props: {
  readonly event: EventContent;
  readonly subscriberId: string;
  readonly onChanged: () => Promise<void>;
  readonly onClose: () => void;
}): VNode {
  const { event, subscriberId, onChanged, onClose } = props;
  const showToast = useToast();
  const [where, setWhere] = useState("here");
  const cancel = async (): Promise<void> => {
    const { count } = await send<ActionResult>("POST", "api/cancel", {
      eventId: event.id,
      ...(where === "here" && { subscriberId }),
    });
    showToast(
      count === 0
        ? "Nothing was cancelled: the event is no longer pending."
        : `Cancelled ${plural(count, "pending delivery", "pending deliveries")} of ${event.name}.`,
    );
    await onChanged();
  };
  return (
    <ActionDialog
      title={`Cancel ${event.name}?`}
      action="Cancel the event"
      kind="danger"
      run={cancel}
      onClose={onClose}
    >
      <p>
        Pending deliveries of the event <code>{event.id}</code> are deleted. They do not become dead
        letters. Runs that have begun go on.
      </p>
      <ChoiceField
        label="Which deliveries"
        value={where}
        onChange={setWhere}
        choices={[
          { value: "here", label: `The delivery to ${subscriberId}` },
          {
            value: "everywhere",
            label: "The deliveries to all subscriptions",
            hint: "If the event is still in the outbox or in a group, it is deleted there.",
          },
        ]}
      />
    </ActionDialog>
  );
}
