import type { VNode } from "preact";
import { Badge, type Tone } from "../../components/badge.tsx";
import type { AttemptView, DeliveryView, EndpointView, WebhookView } from "./views.ts";

/** Whether a webhook subscription gets deliveries. */
export function WebhookState({ of }: { readonly of: WebhookView }): VNode {
  if (of.deletedAt !== null) return <Badge tone="bad">Deleted</Badge>;
  if (of.enabled) return <Badge tone="good">Enabled</Badge>;
  const byItself = of.disabled !== null && of.disabled.kind !== "manual";
  return (
    <Badge tone={byItself ? "bad" : "warn"}>{byItself ? "Disabled by failures" : "Disabled"}</Badge>
  );
}

/** How an endpoint is. Undefined: it has not failed. */
export function EndpointBadge({ of }: { readonly of: EndpointView | undefined }): VNode {
  if (of === undefined) return <Badge tone="good">Healthy</Badge>;
  if (of.breaker === "open") return <Badge tone="bad">Circuit open</Badge>;
  if (of.breaker === "half-open") return <Badge tone="warn">Circuit half-open</Badge>;
  if (of.restsUntil !== null) return <Badge tone="warn">Resting</Badge>;
  return of.failures > 0 ? <Badge tone="warn">Failing</Badge> : <Badge tone="good">Healthy</Badge>;
}

const tones: Readonly<Record<DeliveryView["state"], Tone>> = {
  waiting: "info",
  retrying: "warn",
  paused: "plain",
  running: "info",
  delivered: "good",
  dead: "bad",
  cancelled: "plain",
};

/** What has become of a delivery. */
export function DeliveryBadge({ of }: { readonly of: DeliveryView }): VNode {
  return <Badge tone={tones[of.state]}>{of.statusText}</Badge>;
}

/** How an attempt has ended. */
export function AttemptBadge({ of }: { readonly of: AttemptView }): VNode {
  const word = of.status === null ? (of.errorClass ?? "failed") : String(of.status);
  return (
    <Badge tone={of.success ? "good" : "bad"}>
      {of.success && of.status === null ? "ok" : word}
    </Badge>
  );
}
