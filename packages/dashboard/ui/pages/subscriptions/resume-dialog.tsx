import type { VNode } from "preact";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { useToast } from "../../components/toast-context.ts";
import { formatCount } from "../../format.ts";
import type { SubscriptionDialogProps } from "./pause-dialog.tsx";

/** Delivers again to a subscription that was paused. */
export function ResumeDialog({ subscription, onChanged, onClose }: SubscriptionDialogProps): VNode {
  const { subscriberId, paused, pausedEverywhere, ready } = subscription;
  const showToast = useToast();
  const resume = async (): Promise<void> => {
    const path = `api/subscriptions/${encodeURIComponent(subscriberId)}/resume`;
    // Each pause ends on its own: the one of this process holds also when that of every process has ended.
    if (pausedEverywhere) await send("POST", path, { everywhere: true });
    if (paused) await send("POST", path, { everywhere: false });
    showToast(`Resumed ${subscriberId}.`);
    await onChanged();
  };
  return (
    <ActionDialog title={`Resume ${subscriberId}?`} action="Resume" run={resume} onClose={onClose}>
      <p>
        {pausedEverywhere
          ? "Every process delivers to this subscription again, within 5 seconds."
          : "The process of this dashboard delivers to this subscription again, at once."}{" "}
        {ready > 0 &&
          `${formatCount(ready)} pending deliveries begin as fast as the handlers take them.`}
      </p>
    </ActionDialog>
  );
}
