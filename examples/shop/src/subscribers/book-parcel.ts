import { type IEventBusModule, Modules } from "@busbar/core";

import { line } from "../output.ts";
import { shopEvents } from "../events.ts";
import type { Carriers } from "../services/carriers.ts";

export default shopEvents.subscriber(
  "order.placed",
  async ({ event, container }) => {
    const { orderId, country } = event.data;
    const carriers = container.resolve<Carriers>("carriers");
    let carrier: string;
    try {
      carrier = carriers.to(country);
    } catch (error) {
      line("parcel", `gave up: ${(error as Error).message}`, "red");
      throw error;
    }
    line("parcel", `booked with ${carrier}`, "green");
    const bus: IEventBusModule = container.resolve(Modules.EVENT_BUS);
    await bus.emit("parcel.booked", { orderId, carrier });
  },
  { attempts: 5, backoff: 50 },
);
