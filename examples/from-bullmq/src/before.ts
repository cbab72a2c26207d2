import { Queue, QueueEvents, UnrecoverableError, Worker } from "bullmq";
import type { Cart, Order, Services } from "./services.ts";

export async function openShop(url: string, { mail, bookParcel, alert }: Services) {
  const connection = { url };
  const defaultJobOptions = { attempts: 3, backoff: { type: "exponential", delay: 100 } };
  const receipts = new Queue<Order>("receipts", { connection, defaultJobOptions });
  const parcels = new Queue<Order>("parcels", { connection, defaultJobOptions });
  const reminders = new Queue<Cart>("reminders", { connection, defaultJobOptions });
  const reports = new Queue("reports", { connection, defaultJobOptions });

  const workers = [
    new Worker<Order>(
      "receipts",
      async ({ data }) => {
        if (!data.email.includes("@")) throw new UnrecoverableError(`No address: ${data.email}`);
        await mail(data.email, `Receipt of ${data.orderId}`);
      },
      { connection, concurrency: 5 },
    ),
    new Worker<Order>("parcels", async ({ data }) => bookParcel(data.orderId), {
      connection,
      limiter: { max: 2, duration: 500 },
    }),
    new Worker<Cart>("reminders", async ({ data }) => mail(data.email, `You left ${data.cartId}`), {
      connection,
    }),
    new Worker("reports", async () => mail("owner@shop.example", "Sales of the day"), {
      connection,
    }),
  ];
  const receiptEvents = new QueueEvents("receipts", { connection });
  receiptEvents.on("failed", ({ failedReason }) => alert(`receipts: ${failedReason}`));
  await receiptEvents.waitUntilReady();

  return {
    async placeOrder(order: Order): Promise<void> {
      await receipts.add("order.placed", order);
      await parcels.add("order.placed", order);
    },
    async repeatReceipt(order: Order): Promise<void> {
      const job = await receipts.add("order.placed", order);
      await job.waitUntilFinished(receiptEvents, 5_000);
    },
    async remind(cart: Cart, delay: number): Promise<void> {
      await reminders.add("cart.left", cart, { delay, jobId: cart.cartId });
    },
    async doNotRemind(cartId: string): Promise<void> {
      const job = await reminders.getJob(cartId);
      await job?.remove();
    },
    async reportAt(pattern: string, tz: string): Promise<void> {
      await reports.upsertJobScheduler("sales", { pattern, tz }, { name: "report.due" });
    },
    async close(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.close()));
      await Promise.all(
        [receipts, parcels, reminders, reports, receiptEvents].map((each) => each.close()),
      );
    },
  };
}
