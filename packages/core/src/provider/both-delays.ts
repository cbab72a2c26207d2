import type { ProviderCapabilities } from "../contract/provider.ts";

/**
 * Capabilities with both delays. A provider that was written for 0.1 declares `delay` alone, which was of a publish
 * and of a retry.
 */
export function withBothDelays(capabilities: ProviderCapabilities): ProviderCapabilities {
  if (!declaresOneDelay(capabilities)) return capabilities;
  return { ...capabilities, retryDelay: capabilities.delay };
}

/** What to tell the author of a provider that declares `delay` alone; undefined if there is nothing to tell. */
export function delayMistake(
  provider: string,
  capabilities: Partial<ProviderCapabilities>,
): string | undefined {
  if (!capabilities.delay || !declaresOneDelay(capabilities)) return undefined;
  return `Provider "${provider}" declares the capability "delay" without "retryDelay", and is taken to have both, as in 0.1: declare both`;
}

function declaresOneDelay({ retryDelay }: Partial<ProviderCapabilities>): boolean {
  return retryDelay === undefined;
}
