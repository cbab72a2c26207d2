import type { VNode } from "preact";
import { usePlace } from "../router.ts";
import { DeliveryPage } from "./webhooks/delivery-page.tsx";
import { EditPage, NewPage } from "./webhooks/form-pages.tsx";
import { LogPage } from "./webhooks/log-page.tsx";
import { ReplaysPage } from "./webhooks/replays-page.tsx";
import { SubscriptionPage } from "./webhooks/subscription-page.tsx";
import { SubscriptionsPage } from "./webhooks/subscriptions-page.tsx";

/** Webhook subscriptions, the log of their deliveries, and replays. */
export function Content(): VNode {
  const { path } = usePlace();
  const [part = "", id = "", action = ""] = path
    .slice("/webhooks/".length)
    .split("/")
    .map(decodeURIComponent);
  if (part === "new") return <NewPage />;
  if (part === "log") return <LogPage />;
  if (part === "replays") return <ReplaysPage />;
  if (part === "deliveries" && id !== "") return <DeliveryPage key={id} id={id} />;
  if (part === "subscriptions" && id !== "") {
    return action === "edit" ? (
      <EditPage key={id} id={id} />
    ) : (
      <SubscriptionPage key={id} id={id} />
    );
  }
  return <SubscriptionsPage />;
}
