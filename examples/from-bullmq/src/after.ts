import { createEventBus, PermanentError } from "@busbar/core";
import { redisProvider } from "@busbar/redis";
import type { Cart, Order, Services } from "./services.ts";

interface ShopEvents {
  "order.placed": Order;
  "cart.left": Cart;
  "report.due": { readonly report: string };
}

export async function openShop(redisUrl: string, { mail, bookParcel, alert }: Services) {
  const bus = createEventBus<ShopEvents>({
    name: "shop",
    provider: redisProvider({ redisUrl }),
    subscriptionDefaults: { attempts: 3, backoff: { type: "exponential", delay: 100 } },
  });

  bus.subscribe(
    "order.placed",
    async ({ data }) => {
      if (!data.email.includes("@")) throw new PermanentError(`No address: ${data.email}`);
      await mail(data.email, `Receipt of ${data.orderId}`);
    },
    { subscriberId: "receipts", concurrency: 5 },
  );
  bus.subscribe("order.placed", ({ data }) => bookParcel(data.orderId), {
    subscriberId: "parcels",
    rate: { max: 2, perMs: 500 },
  });
  bus.subscribe("cart.left", ({ data }) => mail(data.email, `You left ${data.cartId}`), {
    subscriberId: "reminders",
  });
  bus.subscribe("report.due", () => mail("owner@shop.example", "Sales of the day"), {
    subscriberId: "reports",
  });
  bus.on("dead", ({ subscriberId, error }) => {
    alert(`${subscriberId}: ${error instanceof Error ? error.message : String(error)}`);
  });
  await bus.start();

  return {
    async placeOrder(order: Order): Promise<void> {
      await bus.emit("order.placed", order);
    },
    async repeatReceipt(order: Order): Promise<void> {
      const [eventId] = await bus.emit("order.placed", order, { to: ["receipts"] });
      await bus.settled({ eventId, timeoutMs: 5_000 });
    },
    async remind(cart: Cart, delay: number): Promise<void> {
      await bus.emit({ name: "cart.left", data: cart, id: cart.cartId, options: { delay } });
    },
    async doNotRemind(cartId: string): Promise<void> {
      await bus.cancel(cartId);
    },
    async reportAt(cron: string, timeZone: string): Promise<void> {
      const data = { report: "sales" };
      await bus.schedules.set("sales", { cron, timeZone, event: "report.due", data });
    },
    close: () => bus.stop(),
  };
}
