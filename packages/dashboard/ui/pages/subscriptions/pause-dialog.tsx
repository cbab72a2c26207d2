import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { SubscriptionView } from "../../../src/contract/api.ts";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { ChoiceField } from "../../components/field.tsx";
import { useToast } from "../../components/toast-context.ts";

/** What the dialogs of this folder are given. */
export interface SubscriptionDialogProps {
  readonly subscription: SubscriptionView;
  readonly onChanged: () => Promise<void>;
  readonly onClose: () => void;
}

/** Stops delivering to a subscription. */
export function PauseDialog({ subscription, onChanged, onClose }: SubscriptionDialogProps): VNode {
  const { subscriberId, here, paused } = subscription;
  const showToast = useToast();
  const [where, setWhere] = useState("everywhere");
  const everywhere = where === "everywhere";
  const pause = async (): Promise<void> => {
    await send("POST", `api/subscriptions/${encodeURIComponent(subscriberId)}/pause`, {
      everywhere,
    });
    showToast(`Paused ${subscriberId} ${everywhere ? "in every process" : "in this process"}.`);
    await onChanged();
  };
  return (
    <ActionDialog title={`Pause ${subscriberId}?`} action="Pause" run={pause} onClose={onClose}>
      <p>
        Runs that have begun end as usual. Then nothing is delivered to this subscription. Its
        events are kept, and are delivered after you resume it.
      </p>
      <ChoiceField
        label="Where"
        value={where}
        onChange={setWhere}
        choices={[
          {
            value: "everywhere",
            label: "In every process",
            hint: "Also in those that start later. Each process follows within 5 seconds.",
          },
          ...(here && !paused
            ? [
                {
                  value: "here",
                  label: "In the process of this dashboard only",
                  hint: "The others go on. A restart of the process ends the pause.",
                },
              ]
            : []),
        ]}
      />
    </ActionDialog>
  );
}
