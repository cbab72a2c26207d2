import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type {
  ConsumerHandle,
  ConsumeSpec,
  Deliver,
  EventProvider,
  Envelope,
  GroupStaging,
  KnownGroups,
  ProviderCapabilities,
  ProviderContext,
  PublishOptions,
  PublishResult,
} from "../contract/provider.ts";
import { BusbarError } from "../errors/errors.ts";
import { rejectSafely, safeError } from "../errors/safe-error.ts";
import {
  assertOptions,
  checkBoolean,
  checkFunction,
  checkMilliseconds,
  type Checks,
  checkText,
  checkTexts,
  oneOf,
  optionsWithin,
  wholeFrom,
} from "../values/arguments.ts";
import {
  OPTIONAL_METHODS,
  type OptionalMethod,
  PART_METHODS,
  type ProviderPart,
  safeProvider,
} from "./safe-provider.ts";

type ProviderParts<Part extends ProviderPart> = {
  readonly [Name in Part]: NonNullable<EventProvider[Name]>;
};

/** What {@link defineProvider} makes. */
export type DefinedProvider<Part extends ProviderPart = never> = EventProvider &
  Required<Pick<EventProvider, "probe">> &
  ProviderParts<Part>;

/**
 * Milliseconds that `open` has to give up and close what it has made, also where `stop` has no grace: nothing
 * should be left behind.
 */
const GIVE_UP_MS = 100;

/** The methods after which a consumer may find something. */
const WAKING = { replayDead: true, complete: true, fire: true };

/** The methods that change nothing. */
const READS: ReadonlySet<string> = new Set([
  "subscriptions.list",
  "admin.stats",
  "admin.listDead",
  "admin.getDead",
]);

const DEFINITION: Checks<ProviderDefinition> = {
  name: checkText,
  capabilities: optionsWithin<ProviderCapabilities>({
    durable: checkBoolean,
    payload: oneOf("shared", "fresh"),
    delay: checkBoolean,
    retryDelay: checkBoolean,
    priority: checkBoolean,
    deduplication: checkBoolean,
    ordering: checkBoolean,
    targets: checkBoolean,
    redeliverAfterMs: checkMilliseconds,
    maxBatch: wholeFrom(1),
    wholeBatches: checkBoolean,
    statsLagMs: checkMilliseconds,
    lateSettlements: oneOf("ignored", "applied"),
  }),
  parts: checkTexts,
  shortcuts: checkTexts,
  optional: checkTexts,
  versions: checkFunction,
  readsAfterStop: checkBoolean,
  open: checkFunction,
};

type Ability = "priority" | "deduplication" | "ordering";

/** Whoever has the delay of a publish says of the delay of a retry, too, whether it has it. */
type Delays =
  | { readonly delay: boolean; readonly retryDelay: boolean }
  | { readonly delay?: false | undefined; readonly retryDelay?: boolean | undefined };

/** What {@link defineProvider} makes a provider of. */
export interface ProviderDefinition<Part extends ProviderPart = never> {
  /** The `name` of the provider. */
  readonly name: string;
  /** A capability that is not named is declined. */
  readonly capabilities: Omit<ProviderCapabilities, Ability | keyof Delays> &
    Partial<Pick<ProviderCapabilities, Ability>> &
    Delays;
  /** The parts that `open` brings: a bus asks for them before it starts the provider. */
  readonly parts?: readonly Part[];
  /**
   * The shorter ways that `open` brings: `tryPublish`, and `known` of `groups`.
   *
   * @default []
   */
  readonly shortcuts?: readonly ("tryPublish" | "known")[] | undefined;
  /**
   * The optional methods that the parts `subscriptions` and `admin` of `open` have.
   *
   * @default []
   */
  readonly optional?: readonly OptionalMethod[] | undefined;
  /** As {@link EventProvider.versions}. */
  readonly versions?: (() => Readonly<Record<string, string>>) | undefined;
  /**
   * Whether `subscriptions.list`, `admin.stats`, `admin.listDead` and `admin.getDead` answer after `stop` as well, from memory.
   *
   * @default false
   */
  readonly readsAfterStop?: boolean | undefined;
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

/** A consumer of an {@link OpenProvider}, such as {@link createPollingConsumer} makes. */
export interface OpenConsumer extends ConsumerHandle {
  /** Looks for deliveries now: something was published, replayed or released. */
  wake?(): void;
  /** Resolves when nothing is in flight, and a look found nothing more. Returns undefined if that is so now. */
  whenIdle?(): Promise<void> | undefined;
}

/** A provider from its start to its stop. */
export type OpenProvider<Part extends ProviderPart = never> = Pick<
  EventProvider,
  "publish" | "tryPublish" | "probe" | "serverTime"
> &
  ProviderParts<Part> & {
    /** As `consume` of the provider. */
    consume(subscription: ConsumeSpec, deliver: Deliver): Promise<OpenConsumer>;
    /**
     * For one that is not durable: delivers what is due, for at most `graceMs` milliseconds. By default `stop` waits
     * for as long until every consumer is idle.
     */
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
): DefinedProvider<Part> {
  assertOptions("defineProvider()", definition as unknown as ProviderDefinition, DEFINITION, {
    name: 'such as "nats"',
    capabilities: 'such as { durable: true, payload: "fresh", redeliverAfterMs: 10_000 }',
    open: "which resolves with { publish, consume, close }",
  });
  const { name, capabilities, parts = [], shortcuts = [], versions } = definition;
  const { optional = [], readsAfterStop = false } = definition;
  const consumers = new Set<OpenConsumer>();
  /** Those that can be woken, apart: a publish is no time to ask each. */
  const sleepers = new Set<OpenConsumer>();
  let starting: Promise<void> | undefined;
  let opened: OpenProvider<Part> | undefined;
  let closed: OpenProvider<Part> | undefined;
  let clock: Clock | undefined;
  let logger: Logger | undefined;
  const controller = new AbortController();
  let stopping: Promise<void> | undefined;

  function running(method: string): OpenProvider<Part> {
    const open = opened ?? (READS.has(method) ? closed : undefined);
    if (open) return open;
    throw notRunning(name, method);
  }

  /** There is something new: what another process would look for later, this one finds at once. */
  function wake(): void {
    for (const consumer of sleepers) {
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
      await within(Math.max(graceMs, GIVE_UP_MS), starting);
      return;
    }
    const deadline = now() + graceMs;
    const steps = [
      () => drain(open, graceMs),
      () => closeConsumers(open.drain ? 0 : Math.max(0, deadline - now())),
      () => {
        opened = undefined;
        if (readsAfterStop) closed = open;
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

  function now(): number {
    return clock?.monotonic() ?? 0;
  }

  /** What is not durable is gone after the stop, so it is delivered before. */
  async function drain(open: OpenProvider<Part>, graceMs: number): Promise<void> {
    if (open.drain) await open.drain({ graceMs });
    else if (!capabilities.durable && graceMs > 0) await within(graceMs, allIdle());
  }

  /** A handler may publish what another consumer then finds. */
  async function allIdle(): Promise<void> {
    for (;;) {
      const busy = [...consumers].flatMap((consumer) => consumer.whenIdle?.() ?? []);
      if (busy.length === 0) return;
      await Promise.all(busy);
    }
  }

  async function closeConsumers(graceMs: number): Promise<void> {
    const closing = [...consumers].map(async (consumer) => consumer.close({ graceMs }));
    const outcomes = await Promise.allSettled(closing);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** Resolves when `work` has ended, however it does, or when that much time has passed. */
  function within(graceMs: number, work: Promise<void> | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock?.setTimeout(resolve, graceMs, { keepAlive: true });
      const end = (): void => {
        timer?.cancel();
        resolve();
      };
      work?.then(end, end);
    });
  }

  async function open(context: ProviderContext): Promise<void> {
    const open = await definition.open(context, { signal: controller.signal });
    if (!stopping) {
      opened = open;
      return;
    }
    await open.close();
    throw notRunning(name, "start");
  }

  /** Makes its errors safe itself: each layer around it is a part of every emit. */
  async function publish(
    batch: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    try {
      const results = await running("publish").publish(batch, options);
      wake();
      return results;
    } catch (error) {
      throw safeError(error);
    }
  }

  function tryPublish(batch: readonly Envelope[]): readonly PublishResult[] | undefined {
    const results = opened?.tryPublish?.(batch);
    if (results && sleepers.size > 0) wake();
    return results;
  }

  const knownGroups: KnownGroups = {
    take: (eventGroupId) => groupsOf(opened)?.known?.take(eventGroupId),
    async release(...args) {
      const results = await groupsOf(running("groups.known.release"))?.known?.release(...args);
      wake();
      return results;
    },
  };

  const provider: EventProvider = {
    name,
    capabilities: {
      ...capabilities,
      delay: capabilities.delay ?? false,
      priority: capabilities.priority ?? false,
      deduplication: capabilities.deduplication ?? false,
      ordering: capabilities.ordering ?? false,
      // Without it, `safeProvider` makes of it what it was in 0.1.
    } as ProviderCapabilities,

    async start(context) {
      if (starting || stopping) {
        throw new TypeError(`Provider "${name}" starts once: make another one`);
      }
      ({ clock, logger } = context);
      starting = open(context);
      try {
        await starting;
      } catch (error) {
        starting = undefined;
        throw error;
      }
    },

    publish,

    async consume(spec, deliver) {
      const consumer = await running("consume").consume(spec, deliver);
      consumers.add(consumer);
      if (consumer.wake) sleepers.add(consumer);
      if (stopping) await consumer.close({ graceMs: 0 });
      return {
        close: (options) =>
          rejectSafely(async () => {
            await consumer.close(options);
            consumers.delete(consumer);
            sleepers.delete(consumer);
          }),
      };
    },

    async stop({ graceMs }) {
      if (!starting) return;
      stopping ??= close(graceMs);
      await stopping;
    },

    async probe() {
      if (!opened) return { ok: false, detail: `Provider "${name}" is not running` };
      return (await opened.probe?.()) ?? { ok: true };
    },

    // One in memory goes by the clock of this process.
    ...(capabilities.durable && { serverTime: async () => opened?.serverTime?.() }),
    ...(versions && { versions }),
  };

  function queueName(subscriptionId: string): string | undefined {
    return (running("admin.queueName") as OpenProvider<"admin">).admin.queueName?.(subscriptionId);
  }

  const delegates = parts.map((part) => {
    const extras: readonly OptionalMethod[] = isWithOptional(part) ? OPTIONAL_METHODS[part] : [];
    const brought = extras.filter((method) => optional.includes(method));
    const methods = [...PART_METHODS[part], ...brought].map((method) => {
      const delegate = async (...args: unknown[]): Promise<unknown> => {
        const open = running(`${part}.${method}`);
        const methodsOf = open[part] as unknown as Record<string, (...given: unknown[]) => unknown>;
        const result = await methodsOf[method]?.(...args);
        if (method in WAKING) wake();
        return result;
      };
      if (method === "queueName") return [method, queueName];
      return [method, delegate];
    });
    const known = part === "groups" && shortcuts.includes("known") && { known: knownGroups };
    return [part, { ...Object.fromEntries(methods), ...known }];
  });
  return {
    ...safeProvider(Object.assign(provider, Object.fromEntries(delegates))),
    publish,
    ...(shortcuts.includes("tryPublish") && { tryPublish }),
  } as DefinedProvider<Part>;
}

function isWithOptional(part: ProviderPart): part is keyof typeof OPTIONAL_METHODS {
  return part in OPTIONAL_METHODS;
}

function groupsOf(open: object | undefined): GroupStaging | undefined {
  return (open as Partial<ProviderParts<"groups">> | undefined)?.groups;
}

/** The error of a call before the start or after the stop. */
export function notRunning(name: string, method: string): BusbarError<"BUSBAR_NOT_RUNNING"> {
  const message = `Provider "${name}" is not running: ${method} needs a start before and no stop`;
  return new BusbarError("BUSBAR_NOT_RUNNING", message, { method });
}
