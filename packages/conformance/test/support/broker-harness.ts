// @boundaries-ignore what starts the processes of all tests
import { bundledChild } from "../../../../.ci/child-programs.mjs";
import { createFaultProxy } from "../../src/fault-proxy.ts";
import type { ProviderHarness } from "../../src/harness.ts";
import { Broker } from "./broker.ts";
import { brokerProvider, LARGEST } from "./broker-provider.ts";
import type { Mistake } from "./broker-protocol.ts";

/** A durable provider with a connection, and all the means to break it. */
export async function brokerHarness(
  ...mistakes: readonly Mistake[]
): Promise<ProviderHarness & { readonly close: () => Promise<void> }> {
  const broker = await new Broker(...mistakes).listen();
  const proxy = await createFaultProxy({ port: broker.port });
  const { port, cut, halfOpen, heal } = proxy;
  return {
    create: () => brokerProvider(port, ...mistakes),
    refusesAboveBytes: LARGEST,
    faults: {
      connection: true,
      ...(await bundledChild(new URL("broker-module.ts", import.meta.url))),
      options: { port, mistakes },
      restart: () => broker.restart(),
      cut,
      halfOpen,
      heal,
    },
    cleanup: ({ namespace }) => broker.drop(namespace),
    async close() {
      await proxy.close();
      await broker.close();
    },
  };
}
