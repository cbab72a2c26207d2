import {
  createEmitEventStep,
  createStep,
  createWorkflow,
  StepResponse,
  transform,
  type WorkflowData,
  WorkflowResponse,
} from "@busbar/core/workflows";

import { shopEvents } from "../events.ts";
import { euros, line } from "../output.ts";
import type { PaymentGateway } from "../services/payment-gateway.ts";
import type { Stock } from "../services/stock.ts";

export interface OrderInput {
  readonly orderId: string;
  readonly customer: string;
  readonly country: string;
  readonly card: string;
  readonly lines: readonly {
    readonly sku: string;
    readonly quantity: number;
    readonly cents: number;
  }[];
}

type Line = OrderInput["lines"][number];

const emitShopEvent = createEmitEventStep(shopEvents);

const reserveStock = createStep(
  "reserve-stock",
  (lines: readonly Line[], { container }) => {
    const stock = container.resolve<Stock>("stock");
    for (const { sku, quantity } of lines) stock.reserve(sku, quantity);
    line(
      "stock",
      `reserved ${lines.map(({ sku, quantity }) => `${quantity} × ${sku}`).join(", ")}`,
    );
    return new StepResponse(undefined, lines);
  },
  (lines, { container }) => {
    const stock = container.resolve<Stock>("stock");
    for (const { sku, quantity } of lines ?? []) stock.putBack(sku, quantity);
    line("stock", "put back what was reserved", "yellow");
  },
);

const takePayment = createStep(
  "take-payment",
  ({ card, cents }: { card: string; cents: number }, { container }) => {
    try {
      const charge = container.resolve<PaymentGateway>("paymentGateway").charge(card, cents);
      line("payment", `${euros(cents)}, ${charge}`);
    } catch (error) {
      line("payment", `refused: ${(error as Error).message}`, "red");
      throw error;
    }
  },
);

/**
 * Places an order. Its event is staged as soon as the order is reserved, and released when the whole
 * workflow has succeeded: an order that is not paid for is never announced.
 */
export const placeOrder = createWorkflow("place-order", (order: WorkflowData<OrderInput>) => {
  const totalCents = transform(order, ({ lines }) =>
    lines.reduce((total, { quantity, cents }) => total + quantity * cents, 0),
  );
  reserveStock(order.lines);
  emitShopEvent({
    eventName: "order.placed",
    data: {
      orderId: order.orderId,
      customer: order.customer,
      country: order.country,
      lines: transform(order, ({ lines }) => lines.map(({ sku, quantity }) => ({ sku, quantity }))),
      totalCents,
    },
  });
  takePayment({ card: order.card, cents: totalCents });
  return new WorkflowResponse({ totalCents });
});
