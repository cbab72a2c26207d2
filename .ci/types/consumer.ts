// An application as a compiler of a user sees it: by the built declarations of every package.
import { createEventBus, defineConfig, type DeliveryContext } from "@busbar/core";
import {
  createStep,
  createWorkflow,
  StepResponse,
  type WorkflowData,
  WorkflowResponse,
} from "@busbar/core/workflows";
import { localProvider } from "@busbar/local";
import type * as container from "@busbar/core/container";
import type * as memory from "@busbar/core/memory";
import type * as plugin from "@busbar/core/plugin";
import type * as provider from "@busbar/core/provider";
import type * as conformance from "@busbar/conformance";
import type * as outbox from "@busbar/outbox";
import type * as redis from "@busbar/redis";
import type * as sql from "@busbar/sql";
import type * as sqlFeature from "@busbar/sql/feature";
import type * as testing from "@busbar/testing";
import type * as webhooks from "@busbar/webhooks";
import type * as webhooksTesting from "@busbar/webhooks/testing";

/** Every other entry, so that its declarations are loaded. */
export type Entries = [
  typeof container,
  typeof memory,
  typeof plugin,
  typeof provider,
  typeof conformance,
  typeof outbox,
  typeof redis,
  typeof sql,
  typeof sqlFeature,
  typeof testing,
  typeof webhooks,
  typeof webhooksTesting,
];

interface ShopEvents {
  readonly "order.placed": { readonly orderId: string };
  readonly "order.shipped": { readonly orderId: string; readonly carrier: string };
}

const bus = createEventBus<ShopEvents>({ provider: localProvider() });
bus.subscribe("order.shipped", ({ data }, context: DeliveryContext) => {
  const carrier: string = data.carrier;
  context.logger.info({ carrier }, "Shipped");
});
// @ts-expect-error There is no such event.
void bus.emit("order.lost", { orderId: "42" });
// @ts-expect-error The carrier is missing.
void bus.emit("order.shipped", { orderId: "42" });

export const config = defineConfig({ name: "shop", modules: [{ resolve: "@busbar/local" }] });

const reserve = createStep("reserve", (input: { readonly orderId: string }) => {
  return new StepResponse({ reservation: `r-${input.orderId}` });
});
export const placeOrder = createWorkflow(
  "place-order",
  (input: WorkflowData<{ orderId: string }>) => {
    return new WorkflowResponse(reserve(input));
  },
);
