import type {
  ConsumerHandle,
  ConsumeSpec,
  Delivery,
  Envelope,
  EventProvider,
  ProbeResult,
  ProviderAdmin,
  ProviderCapabilities,
  ProviderContext,
  PublishOptions,
  PublishResult,
  Settlement,
} from "../contract/provider.ts";
import { BusbarError } from "../errors/errors.ts";
import type { ProviderEmulation } from "./provider-emulation.ts";

/** A provider with all that the bus relies on: its own, or emulated. */
export interface CompleteProvider extends EventProvider {
  readonly admin: ProviderAdmin;
}

/**
 * Adds what a provider lacks and the bus can truly do for it: delays, retries with delays,
 * deduplication and dead letters, in memory. A durable provider gets nothing: memory would break its
 * promise, so what it lacks is refused instead.
 */
export function completeProvider(provider: EventProvider): CompleteProvider {
  return isComplete(provider) ? provider : new CompletedProvider(provider);
}

function isComplete(provider: EventProvider): provider is CompleteProvider {
  const { durable, delay, deduplication } = provider.capabilities;
  return provider.admin !== undefined && (durable || (delay && deduplication));
}

/** Loads the emulation when it starts, so that who needs none does not pay for it. */
class CompletedProvider implements CompleteProvider {
  readonly name: string;
  readonly capabilities: ProviderCapabilities;
  readonly subscriptions: EventProvider["subscriptions"];
  readonly groups: EventProvider["groups"];
  readonly #inner: EventProvider;
  #emulation: ProviderEmulation | undefined;
  #isStopped = false;

  constructor(inner: EventProvider) {
    this.name = inner.name;
    const { payload } = inner.capabilities;
    this.capabilities = {
      ...inner.capabilities,
      delay: true,
      deduplication: true,
      // A dead letter that is kept in memory must not be what a handler has changed.
      payload: inner.admin ? payload : "shared",
    };
    this.subscriptions = inner.subscriptions;
    this.groups = inner.groups;
    this.#inner = inner;
  }

  get admin(): ProviderAdmin {
    return this.#started.admin;
  }

  async start(context: ProviderContext): Promise<void> {
    const { ProviderEmulation } = await import("./provider-emulation.ts");
    if (this.#isStopped) throw this.#notRunning();
    this.#emulation = new ProviderEmulation(this.#inner);
    await this.#emulation.start(context);
  }

  publish(batch: readonly Envelope[], options: PublishOptions): Promise<readonly PublishResult[]> {
    return this.#started.publish(batch, options);
  }

  consume(
    spec: ConsumeSpec,
    deliver: (delivery: Delivery) => Promise<Settlement>,
  ): Promise<ConsumerHandle> {
    return this.#started.consume(spec, deliver);
  }

  stop(options: { readonly graceMs: number }): Promise<void> {
    this.#isStopped = true;
    return (this.#emulation ?? this.#inner).stop(options);
  }

  async probe(): Promise<ProbeResult> {
    return (await this.#inner.probe?.()) ?? { ok: true };
  }

  async serverTime(): Promise<number | undefined> {
    return this.#inner.serverTime?.();
  }

  get #started(): ProviderEmulation {
    if (!this.#emulation) throw this.#notRunning();
    return this.#emulation;
  }

  #notRunning(): BusbarError<"BUSBAR_NOT_RUNNING"> {
    const message = `Provider "${this.name}" is not running`;
    return new BusbarError("BUSBAR_NOT_RUNNING", message, { method: "start" });
  }
}
