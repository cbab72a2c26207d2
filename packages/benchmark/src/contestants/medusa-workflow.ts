import { EVENT_NAME, type Order } from "../order.ts";
import { requirePeer, requirePeerFile } from "../peers.ts";
import { createMedusaBus, silentLogger } from "./medusa.ts";

interface Utils {
  readonly createMedusaContainer: () => { register(name: string, resolver: unknown): void };
  readonly Modules: { readonly EVENT_BUS: string };
}

interface Awilix {
  readonly asValue: (value: unknown) => unknown;
}

interface WorkflowsSdk {
  readonly createWorkflow: (
    name: string,
    composer: (input: unknown) => void,
  ) => (container: object) => { run(options: { readonly input: unknown }): Promise<unknown> };
}

interface CoreFlowsStep {
  readonly emitEventStep: (input: { readonly eventName: string; readonly data: unknown }) => void;
}

/** The same with Medusa's local bus. */
export function openMedusaWorkflow(
  handler: () => Promise<void>,
): (input: Order) => Promise<unknown> {
  const bus = createMedusaBus();
  bus.subscribe(EVENT_NAME, handler, { subscriberId: "subscriber" });
  return createMedusaWorkflow(bus);
}

/**
 * A workflow that emits one event, with Medusa's `createWorkflow` and its own `emitEventStep`, which is loaded
 * from its file: the whole of `@medusajs/core-flows` is a shop. No workflow engine is registered, so that runs
 * stay in memory and nothing is stored, as with Busbar.
 */
export function createMedusaWorkflow(bus: object): (input: Order) => Promise<unknown> {
  const { createMedusaContainer, Modules } = requirePeer<Utils>("@medusajs/framework/utils");
  const { asValue } = requirePeer<Awilix>("@medusajs/framework/awilix");
  const { createWorkflow } = requirePeer<WorkflowsSdk>("@medusajs/framework/workflows-sdk");
  const { emitEventStep } = requirePeerFile<CoreFlowsStep>(
    "@medusajs/core-flows/dist/common/steps/emit-event.js",
  );
  const container = createMedusaContainer();
  container.register(Modules.EVENT_BUS, asValue(bus));
  container.register("logger", asValue(silentLogger));
  const placeOrder = createWorkflow("place-order", (input) => {
    emitEventStep({ eventName: EVENT_NAME, data: input });
  });
  return (input) => placeOrder(container).run({ input });
}
