import { type Checks, checks, optionsWithin } from "@busbar/core/provider";
import type { AddressGuardOptions } from "./guard.ts";
import type { ProxyOptions } from "./tunnel.ts";

/** How notifiers connect, and to what. */
export interface NetworkOptions extends AddressGuardOptions {
  /**
   * A forward proxy that all connections go through. What fails at the proxy itself has the class `proxy_error`.
   *
   * @default none
   */
  readonly proxy?: string | ProxyOptions | undefined;
  /**
   * Milliseconds for a connection: look-up, TCP and TLS together.
   *
   * @default 5_000
   */
  readonly connectTimeoutMs?: number | undefined;
}

/** Checks the options that connect. */
export const networkChecks: Checks<NetworkOptions> = {
  allow: checks.texts,
  deny: checks.texts,
  lookup: checks.function,
  proxy: (value) =>
    typeof value === "string"
      ? undefined
      : optionsWithin<ProxyOptions>({ url: checks.text, resolvesNames: checks.boolean })(value),
  connectTimeoutMs: checks.positive,
};
