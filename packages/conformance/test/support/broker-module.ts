import type { EventProvider } from "@busbar/core";
import { brokerProvider } from "./broker-provider.ts";
import type { Mistake } from "./broker-protocol.ts";

/** For child processes: the environment says where the broker is. */
export function createProvider(): EventProvider {
  const mistakes = JSON.parse(process.env["TEST_BROKER_MISTAKES"] ?? "[]") as Mistake[];
  return brokerProvider(Number(process.env["TEST_BROKER_PORT"]), ...mistakes);
}
