import { createEventBus, defineEvents, type EventBus, type InferEvents } from "@busbar/core";
import { type Dashboard, dashboard } from "@busbar/dashboard";
import { localProvider } from "@busbar/local";
import { z } from "zod";

const events = defineEvents({
  "order.placed": z.object({ orderId: z.string(), email: z.string(), total: z.number() }),
  "order.paid": z.object({ orderId: z.string() }),
});

export interface Shop {
  readonly bus: EventBus<InferEvents<typeof events>>;
  readonly board: Dashboard;
}

export async function startShop(token: string): Promise<Shop> {
  const board = dashboard({ token });
  const bus = createEventBus({
    provider: localProvider(),
    events,
    plugins: [board],
    // The shop's own log would have a line for each failed receipt.
    logger: false,
  });
  bus.subscribe(
    "order.placed",
    ({ data }) => {
      if (!data.email.includes("@")) throw new Error(`${data.email} is no e-mail address`);
      console.log(`Receipt sent to ${data.email}`);
    },
    { subscriberId: "send-receipt", attempts: 2 },
  );
  bus.subscribe("order.*", () => undefined, { subscriberId: "statistics" });
  await bus.start();
  return { bus, board };
}
