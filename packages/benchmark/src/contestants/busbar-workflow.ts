import { createApp, type ServiceContainer } from "@busbar/core";
import { createWorkflow, emitEventStep, type WorkflowData } from "@busbar/core/workflows";
import { EVENT_NAME, type Order } from "../order.ts";

/** A workflow that emits one event, in an application with the local provider. */
export async function openBusbarWorkflow(
  handler: () => Promise<void>,
): Promise<(input: Order) => Promise<unknown>> {
  const app = await createApp({}, { signals: false });
  app.bus.subscribe(EVENT_NAME, handler, { subscriberId: "subscriber" });
  await app.start();
  return createBusbarWorkflow(app.container);
}

/** A workflow that emits one event on the bus of a container. */
export function createBusbarWorkflow(
  container: ServiceContainer,
): (input: Order) => Promise<unknown> {
  const placeOrder = createWorkflow("place-order", (input: WorkflowData<Order>) => {
    emitEventStep({ eventName: EVENT_NAME, data: input });
  });
  return (input) => placeOrder(container).run({ input });
}
