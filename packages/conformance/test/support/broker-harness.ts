import type { ProviderHarness } from "../../src/harness.ts";
import { Broker } from "./broker.ts";
import { brokerProvider } from "./broker-provider.ts";
import type { Mistake } from "./broker-protocol.ts";

/** A durable provider with a connection, and all the means to break it. */
export async function brokerHarness(
  ...mistakes: readonly Mistake[]
): Promise<ProviderHarness & { readonly close: () => Promise<void> }> {
  const broker = await new Broker(...mistakes).listen();
  const environment = {
    TEST_BROKER_PORT: String(broker.port),
    TEST_BROKER_MISTAKES: JSON.stringify(mistakes),
  };
  return {
    create() {
      // Child processes inherit it.
      Object.assign(process.env, environment);
      return brokerProvider(broker.port, ...mistakes);
    },
    faults: {
      connection: true,
      module: new URL("./broker-module.ts", import.meta.url),
      restart: () => broker.restart(),
      cut: () => broker.cut(),
      halfOpen: () => broker.halfOpen(),
      heal: () => broker.heal(),
    },
    cleanup: ({ namespace }) => broker.drop(namespace),
    close: () => broker.close(),
  };
}
