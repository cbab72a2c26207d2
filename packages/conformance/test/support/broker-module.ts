import type { EventProvider } from "@busbar/core/provider";
import { brokerProvider } from "./broker-provider.ts";
import type { Mistake } from "./broker-protocol.ts";

/** What the harness tells this file, in each child process. */
export interface BrokerOptions {
  readonly port: number;
  readonly mistakes: readonly Mistake[];
}

/** For child processes. */
export function createProvider(_request: object, options: BrokerOptions): EventProvider {
  return brokerProvider(options.port, ...options.mistakes);
}
