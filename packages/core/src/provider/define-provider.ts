import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type {
  ConsumerHandle,
  EventProvider,
  ProviderCapabilities,
  ProviderContext,
} from "../contract/provider.ts";
import { BusbarError } from "../errors/errors.ts";
import { rejectSafely, safeError } from "../errors/safe-error.ts";
import { PART_METHODS, type ProviderPart, safeProvider } from "./safe-provider.ts";

type ProviderParts<Part extends ProviderPart> = {
  readonly [Name in Part]: NonNullable<EventProvider[Name]>;
};

type Ability = "delay" | "priority" | "deduplication" | "ordering";

/** What {@link defineProvider} makes a provider of. */
export interface ProviderDefinition<Part extends ProviderPart = never> {
  /** The `name` of the provider. */
  readonly name: string;
  /** A capability that is not named is declined. */
  readonly capabilities: Omit<ProviderCapabilities, Ability> &
    Partial<Pick<ProviderCapabilities, Ability>>;
  /** The parts that `open` brings: a bus asks for them before it starts the provider. */
  readonly parts?: readonly Part[];
  /**
   * Opens what the provider needs. Resolves once a publish would succeed.
   *
   * `signal` aborts when the provider is stopped before that: give up then, and reject. What `open` resolves
   * with all the same is closed at once.
   */
  open(
    context: ProviderContext,
    options: { readonly signal: AbortSignal },
  ): Promise<OpenProvider<NoInfer<Part>>>;
}

/** A provider from its start to its stop. */
export type OpenProvider<Part extends ProviderPart = never> = Pick<
  EventProvider,
  "publish" | "consume" | "probe" | "serverTime"
> &
  ProviderParts<Part> & {
    /** For one that is not durable: delivers what is due, as far as `graceMs` milliseconds allow. */
    drain?(options: { readonly graceMs: number }): Promise<void>;
    /** Closes what `open` has opened. All consumers have ended. */
    close(): Promise<void>;
  };

/**
 * Makes a provider out of what it is while it is open. It opens once; before that and after `stop`
 * its methods reject, and `probe` says no; `stop` ends every consumer, and closes at most once, also if the
 * one or the other fails. Whatever the provider throws reaches callers as a {@link safeError}.
 *
 * @example
 * ```ts
 * defineProvider({ name: "files", capabilities, open: async (context) => openFiles(context) });
 * ```
 */
export function defineProvider<Part extends ProviderPart = never>(
  definition: ProviderDefinition<Part>,
): EventProvider & ProviderParts<Part> {
  const { name, capabilities, parts = [] } = definition;
  const consumers = new Set<ConsumerHandle>();
  let starting: Promise<void> | undefined;
  let opened: OpenProvider<Part> | undefined;
  let clock: Clock | undefined;
  let logger: Logger | undefined;
  const controller = new AbortController();
  let stopping: Promise<void> | undefined;

  function running(method: string): OpenProvider<Part> {
    if (opened) return opened;
    throw notRunning(method);
  }

  /** There is something new: what another process would look for later, this one finds at once. */
  function wake(): void {
    for (const consumer of consumers) {
      try {
        consumer.wake?.();
      } catch (err) {
        // What it was woken for has been done.
        logger?.error({ err, provider: name }, "A consumer could not be woken");
      }
    }
  }

  async function close(graceMs: number): Promise<void> {
    const open = opened;
    if (!open) {
      controller.abort(new Error(`Provider "${name}" was stopped before it had opened`));
      if (graceMs > 0) await endOfOpening(graceMs);
      return;
    }
    const left = open.drain ? 0 : graceMs;
    const steps = [
      () => open.drain?.({ graceMs }),
      () => closeConsumers(left),
      () => {
        opened = undefined;
        return open.close();
      },
    ];
    const errors: unknown[] = [];
    // One that fails must not leave open what the others close.
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  async function closeConsumers(graceMs: number): Promise<void> {
    const closing = [...consumers].map(async (consumer) => consumer.close({ graceMs }));
    const outcomes = await Promise.allSettled(closing);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** Resolves when `open` has ended, however it does, or when that much time has passed. */
  function endOfOpening(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock?.setTimeout(resolve, graceMs, { keepAlive: true });
      const end = (): void => {
        timer?.cancel();
        resolve();
      };
      starting?.then(end, end);
    });
  }

  async function open(context: ProviderContext): Promise<void> {
    const open = await definition.open(context, { signal: controller.signal });
    if (!stopping) {
      opened = open;
      return;
    }
    await open.close();
    throw notRunning("start");
  }

  function notRunning(method: string): BusbarError<"BUSBAR_NOT_RUNNING"> {
    const message = `Provider "${name}" is not running: ${method} needs a start before and no stop`;
    return new BusbarError("BUSBAR_NOT_RUNNING", message, { method });
  }

  const provider: EventProvider = {
    name,
    capabilities: {
      ...capabilities,
      delay: capabilities.delay ?? false,
      priority: capabilities.priority ?? false,
      deduplication: capabilities.deduplication ?? false,
      ordering: capabilities.ordering ?? false,
    },

    async start(context) {
      if (starting) throw new TypeError(`Provider "${name}" starts once: make another one`);
      ({ clock, logger } = context);
      starting = open(context);
      try {
        await starting;
      } catch (error) {
        starting = undefined;
        throw error;
      }
    },

    async publish(batch, options) {
      try {
        const results = await running("publish").publish(batch, options);
        wake();
        return results;
      } catch (error) {
        throw safeError(error);
      }
    },

    async consume(spec, deliver) {
      const consumer = await running("consume").consume(spec, deliver);
      consumers.add(consumer);
      if (stopping) await consumer.close({ graceMs: 0 });
      return {
        close: (options) =>
          rejectSafely(async () => {
            await consumer.close(options);
            consumers.delete(consumer);
          }),
      };
    },

    async stop({ graceMs }) {
      if (!starting) return;
      stopping ??= close(graceMs);
      await stopping;
    },

    async probe() {
      if (!opened) return { ok: false };
      return (await opened.probe?.()) ?? { ok: true };
    },

    serverTime: async () => opened?.serverTime?.(),
  };

  const delegates = parts.map((part) => {
    const methods = PART_METHODS[part].map((method) => {
      const delegate = async (...args: unknown[]): Promise<unknown> => {
        const open = running(`${part}.${method}`);
        const methodsOf = open[part] as unknown as Record<string, (...given: unknown[]) => unknown>;
        const result = await methodsOf[method]?.(...args);
        if (method === "replayDead" || method === "complete") wake();
        return result;
      };
      return [method, delegate];
    });
    return [part, Object.fromEntries(methods)];
  });
  return safeProvider(Object.assign(provider, Object.fromEntries(delegates))) as EventProvider &
    ProviderParts<Part>;
}
