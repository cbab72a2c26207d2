import type { openShop } from "./before.ts";
import type { Order, Services } from "./services.ts";

type Shop = Awaited<ReturnType<typeof openShop>>;

/** What a shop has done in a day. */
export interface Day {
  /** Each mail, parcel and alert, sorted. A report that was mailed several times is there once. */
  readonly deeds: readonly string[];
  /** The milliseconds from the first parcel to each parcel. */
  readonly parcelsAtMs: readonly number[];
}

/** Runs the same short day in a shop: orders, a mail server that fails once, reminders and a report. */
export async function runDay(open: (services: Services) => Promise<Shop>): Promise<Day> {
  const deeds: string[] = [];
  const parcelsAt: number[] = [];
  let changed = (): void => {};
  const note = (deed: string): void => {
    deeds.push(deed);
    changed();
  };
  const until = async (count: number, deed: RegExp): Promise<void> => {
    while (deeds.filter((it) => deed.test(it)).length < count) {
      await new Promise<void>((resolve) => (changed = resolve));
    }
  };

  let failures = 1;
  const shop = await open({
    async mail(to, text) {
      if (text === "Receipt of order-2" && failures-- > 0)
        throw new Error("The mail server is down");
      note(`mail ${to}: ${text}`);
    },
    async bookParcel(orderId) {
      parcelsAt.push(performance.now());
      note(`parcel of ${orderId}`);
    },
    alert: (text) => note(`alert ${text}`),
  });
  try {
    await shop.reportAt("* * * * * *", "Europe/Berlin");
    await shop.remind({ cartId: "cart-1", email: "ada@mail.example" }, 300);
    await shop.remind({ cartId: "cart-2", email: "bob@mail.example" }, 300);
    await shop.doNotRemind("cart-2");

    const order: Order = { orderId: "order-1", email: "ada@mail.example" };
    await shop.placeOrder(order);
    await shop.placeOrder({ orderId: "order-2", email: "bob@mail.example" });
    await shop.placeOrder({ orderId: "order-3", email: "nobody" });
    await until(1, /Receipt of order-1/);
    await shop.repeatReceipt(order);

    await until(2, /Receipt of order-1/);
    await until(1, /Receipt of order-2/);
    await until(1, /alert/);
    await until(3, /parcel/);
    await until(1, /cart-1/);
    await until(1, /Sales/);
  } finally {
    await shop.close();
  }
  const isRepeat = (deed: string): boolean => deed.includes("Sales");
  return {
    deeds: [...deeds.filter((it) => !isRepeat(it)), ...new Set(deeds.filter(isRepeat))].toSorted(),
    parcelsAtMs: parcelsAt.map((at) => at - parcelsAt[0]!),
  };
}
