import type { ProviderRequest } from "@busbar/conformance";
import type { EventProvider } from "@busbar/core/provider";
import { acmeProvider } from "../src/index.ts";

/**
 * The suite calls it here, and in the processes that it kills. Two providers with one `namespace` must reach the same
 * store. Keep leases short: the suite waits for them.
 */
export function createProvider(_request: ProviderRequest): EventProvider {
  return acmeProvider();
}
