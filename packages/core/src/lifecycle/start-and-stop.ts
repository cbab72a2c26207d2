import type { IEventBusModule } from "../contract/event-bus-module.ts";
import type { Plugin, PluginContext } from "../contract/plugin.ts";
import type {
  Envelope,
  EventProvider,
  ProviderReport,
  PublishResult,
} from "../contract/provider.ts";
import type { DeliveryEngine } from "../deliver/engine.ts";
import { isAnonymous } from "../deliver/policy.ts";
import type { Subscription } from "../deliver/subscription.ts";
import type { ClockWatch } from "../admin/clock-watch.ts";
import type { Consumers } from "../deliver/consumers.ts";
import type { Intakes } from "../deliver/intakes.ts";
import type { BusCounters } from "../observe/counters.ts";
import type { Notices } from "../observe/notices.ts";
import type { EmitTimeLimit } from "../emit/emit-time-limit.ts";
import type { NextEvents } from "../deliver/next-events.ts";
import type { Groups } from "../groups/groups.ts";
import type { LateSchedules } from "./late-schedules.ts";
import type { HealthRecord } from "../admin/inspection.ts";
import type { LifecycleSteps } from "./lifecycle.ts";
import type { Publisher } from "../emit/publisher.ts";
import type { SendHooks } from "../emit/send-hooks.ts";
import type { StormLog } from "../deliver/storm-log.ts";
import type { BusSettings } from "./settings.ts";
import type { SettlementTracker } from "../causality/settlement-tracker.ts";
import { isInstance } from "../errors/thrown.ts";
import type { Operations } from "../operate/operations.ts";
import { unsupported } from "../emit/support.ts";
import { unavailable } from "../errors/safe-error.ts";
import { waitFor } from "../values/wait-for.ts";
import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";

/**
 * Milliseconds that a plugin may take to stop even if the grace is over: what it does not record by then may happen
 * again.
 */
const PLUGIN_AT_LEAST_MS = 1_000;
/** Milliseconds that a provider may take to stop after the grace: it closes its connections. */
const PROVIDER_AFTER_GRACE_MS = 5_000;
/** The longest that a start waits until other processes can see this instance. */
const SHOWN_AT_MOST_MS = 1_000;
/** Milliseconds after which the log says what a start waits for. */
const SLOW_START_MS = 1_000;

/** What {@link StartAndStop} needs. */
export interface StartAndStopOptions {
  readonly bus: IEventBusModule;
  readonly settings: BusSettings;
  readonly provider: EventProvider;
  readonly plugins: readonly Plugin[];
  /** The plugins of the options, as the application made them. */
  readonly givenPlugins: readonly Plugin[];
  readonly subscriptions: Iterable<Subscription>;
  readonly storms: StormLog;
  readonly counters: BusCounters;
  readonly notices: Notices;
  readonly health: HealthRecord;
  readonly clocks: ClockWatch;
  readonly tracker: SettlementTracker | undefined;
  readonly publisher: Publisher;
  readonly timeLimit: EmitTimeLimit;
  readonly engine: DeliveryEngine;
  readonly consumers: Consumers;
  readonly intakes: Intakes;
  readonly groups: Groups;
  readonly nextEvents: NextEvents;
  readonly schedules: LateSchedules;
  /** Identifies this bus among the instances of all processes. */
  readonly instanceId: string;
  readonly operations: {
    /** Resolves with undefined where nobody else would want to know what this instance does. */
    readonly load: () => Promise<Pick<Operations, "start"> | undefined>;
    readonly close: () => Promise<void>;
  };
  /** What plugins do around each send. */
  readonly hooks: SendHooks | undefined;
}

/** The order in which the parts of a bus start and stop. */
export class StartAndStop implements LifecycleSteps {
  readonly #options: StartAndStopOptions;
  #hasProviderStarted = false;

  constructor(options: StartAndStopOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { role, clock, logger } = this.#options.settings;
    const { name, capabilities } = this.#options.provider;
    const { tracker } = this.#options;
    if (role === "server" && !capabilities.durable) {
      throw unsupported(name, "role", `the role "server": nobody else could handle its events`);
    }
    const anonymous = [...this.#options.subscriptions].map(({ id }) => id).filter(isAnonymous);
    if (capabilities.durable && role !== "tool" && anonymous.length > 0) {
      logger.warn({ anonymous }, "Give subscribers a subscriberId: anonymous ones rerun as one");
    }
    const started: Plugin[] = [];
    let operations: Pick<Operations, "start"> | undefined;
    try {
      await this.#orUnavailable("could not start", () =>
        this.#warnIfSlow("to start", () => this.#startProvider()),
      );
      this.#hasProviderStarted = true;
      // Before anything is consumed: what is loaded later would delay the end of the start.
      operations = await this.#options.operations.load();
      for (const plugin of this.#options.plugins) {
        const pluginContext: PluginContext = {
          role,
          logger,
          bus: this.#options.bus,
          plugins: this.#options.givenPlugins,
          container: this.#options.settings.services,
          capabilities,
          publishEnvelopes: (envelopes) => this.#publishEnvelopes(envelopes),
          on: (noticeName, listener) => this.#options.notices.on(noticeName, listener),
          onSettled: tracker && ((callback) => this.#onSettled(tracker, plugin, callback)),
        };
        await this.#warnIfSlow("to start", async () => plugin.start?.(pluginContext), plugin);
        started.push(plugin);
      }
      await this.#orUnavailable("could not be told of the subscriptions", () =>
        this.#warnIfSlow("to take the subscriptions", () => this.#options.consumers.start()),
      );
      await this.#orUnavailable("could not be told of the schedules", () =>
        this.#warnIfSlow("to take the schedules", () => this.#options.schedules.start()),
      );
    } catch (error) {
      this.#options.consumers.close(0);
      this.#options.schedules.close();
      try {
        await this.#stopAll(started, 0, () => {});
      } catch (err) {
        logger.error({ err, provider: name }, `Provider "${name}" could not be stopped`);
      }
      throw error;
    }
    if (role !== "tool") this.#options.groups.start();
    this.#options.clocks.start();
    this.#options.health.set("up", clock.now(), undefined);
    if (operations) await this.waitFor(operations.start(), SHOWN_AT_MOST_MS);
  }

  /** Does a step of the start. One that takes long is waited for, but not without a word. */
  async #warnIfSlow(what: string, step: () => Promise<void>, plugin?: Plugin): Promise<void> {
    const { settings, provider, health } = this.#options;
    const timer = settings.clock.setTimeout(() => {
      const { server, cause: err } = plugin ? {} : health.connection;
      const who = plugin ? `plugin "${plugin.name}"` : `provider "${provider.name}"`;
      settings.logger.warn(
        { bus: settings.name, server, err },
        `The start waits for ${who}${server === undefined ? "" : ` (${server})`} ${what}`,
      );
    }, SLOW_START_MS);
    try {
      await step();
    } finally {
      timer.cancel();
    }
  }

  /** What a plugin does about an event that is settled must not keep the next from being settled. */
  #onSettled(
    tracker: SettlementTracker,
    { name }: Plugin,
    callback: (eventId: string) => void,
  ): () => void {
    const { logger } = this.#options.settings;
    return tracker.onEventSettled((eventId) => {
      try {
        callback(eventId);
      } catch (err) {
        logger.error({ err, plugin: name, eventId }, `Plugin "${name}" failed on a settled event`);
      }
    });
  }

  /** Not before the provider knows of every subscription: those would not get what is published. */
  async #publishEnvelopes(envelopes: readonly Envelope[]): Promise<readonly PublishResult[]> {
    const { consumers, publisher, timeLimit, hooks } = this.#options;
    const deadline = timeLimit.deadline();
    const declared = consumers.whenDeclared;
    const who = "A declaration of subscriptions";
    if (declared) await timeLimit.within(declared, deadline, () => ({ who }));
    const send = (): Promise<readonly PublishResult[]> =>
      publisher.publish(envelopes, false, deadline);
    return hooks ? hooks.run({ kind: "relay", envelopes, deadline, send }) : send();
  }

  #startProvider(): Promise<void> {
    const { logger, clock, name, deadLetters, orphanedAfterMs } = this.#options.settings;
    const { provider, storms, counters, health, tracker } = this.#options;
    const providerName = provider.name;
    const receiver = { providerName, clock, logger, storms, counters, health, tracker };
    return provider.start({
      logger,
      clock,
      namespace: name,
      instanceId: this.#options.instanceId,
      deadLetters,
      orphanedAfterMs,
      report: (report) => receiveReport(receiver, report),
    });
  }

  async #orUnavailable(what: string, step: () => Promise<void>): Promise<void> {
    const { name } = this.#options.provider;
    try {
      await step();
    } catch (error) {
      throw isInstance(error, TypeError)
        ? error
        : unavailable(name, `Provider "${name}" ${what}`, error);
    }
  }

  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#options.settings;
    this.#options.consumers.close(graceMs);
    void this.#options.nextEvents.close();
    this.#options.schedules.close();
    this.#options.clocks.close();
    const reason = new Error(`The bus stops, and ${graceMs} ms have passed`);
    // What still runs is over then. The provider may give it up in the moment before the timer.
    const cutShort = (): void => {
      this.#options.engine.cutShort(reason);
      this.#options.intakes.cutShort(reason);
    };
    const graceTimer = clock.setTimeout(cutShort, graceMs, { keepAlive: true });
    try {
      await this.#stopAll(this.#options.plugins, graceMs, cutShort);
    } finally {
      graceTimer.cancel();
      cutShort();
      this.#options.storms.close();
      this.#options.health.set("down", clock.now(), "has stopped");
    }
    await this.#reportLostDeadLetters();
  }

  /** Dead letters in memory are gone with the bus, and that must not be silent. */
  async #reportLostDeadLetters(): Promise<void> {
    const { provider, settings } = this.#options;
    if (provider.capabilities.durable || !provider.admin || !this.#hasProviderStarted) return;
    const reported = provider.admin.stats().then((stats) => {
      for (const { subscriptionId: subscriberId, dead: count } of stats) {
        if (count === 0) continue;
        const message = `${count} dead letters are gone with the bus`;
        settings.logger.warn({ subscriberId, count }, message);
      }
    });
    await this.waitFor(reported, PLUGIN_AT_LEAST_MS);
  }

  discard(): Promise<void> {
    return this.#stopProvider(0);
  }

  /** Rejects as the provider does. A provider that does not end keeps nothing else from stopping. */
  async #stopProvider(graceMs: number): Promise<void> {
    const { provider, settings } = this.#options;
    let hasEnded = false;
    const stopped = provider.stop({ graceMs }).finally(() => (hasEnded = true));
    await this.waitFor(stopped, graceMs + PROVIDER_AFTER_GRACE_MS);
    if (hasEnded) return stopped;
    settings.logger.error(
      { provider: provider.name },
      `Provider "${provider.name}" did not stop in time, and is left to itself`,
    );
  }

  waitFor(promise: Promise<unknown>, limitMs: number): Promise<number> {
    return waitFor(this.#options.settings.clock, promise, limitMs);
  }

  /**
   * Stops the plugins, the last one first, and then the provider, within one period of grace.
   *
   * Deliveries of a durable provider end before that: until then its handlers may emit, and use what
   * plugins give them. A provider that is not durable delivers what is due while it stops, and accepts
   * what handlers emit for as long. A plugin that does not end keeps nothing else from stopping.
   */
  async #stopAll(plugins: readonly Plugin[], graceMs: number, cutShort: () => void): Promise<void> {
    const { consumers, groups, operations, provider, publisher, schedules } = this.#options;
    const { clock, logger } = this.#options.settings;
    const deadline = clock.monotonic() + graceMs;
    const left = (): { graceMs: number } => ({
      graceMs: Math.max(0, deadline - clock.monotonic()),
    });
    const inTime = (promise: Promise<unknown>): Promise<number> =>
      this.waitFor(promise, left().graceMs);
    const tell = async (step: "stop" | "stopped"): Promise<void> => {
      for (const plugin of plugins.toReversed()) {
        const options = left();
        let hasEnded = false;
        const ends = (async () => plugin[step]?.(options))()
          .catch((err: unknown) =>
            logger.error(
              { err, plugin: plugin.name },
              `Plugin "${plugin.name}" could not be stopped`,
            ),
          )
          .then(() => (hasEnded = true));
        await this.waitFor(ends, Math.max(options.graceMs, PLUGIN_AT_LEAST_MS));
        if (hasEnded) continue;
        logger.error(
          { plugin: plugin.name, step },
          `Plugin "${plugin.name}" did not stop in time, and is left to itself`,
        );
      }
    };
    const { durable } = provider.capabilities;
    if (durable) {
      await inTime(consumers.drain(graceMs));
      cutShort();
    }
    await inTime(this.#options.nextEvents.close());
    await inTime(schedules.whenIdle());
    await inTime(groups.close());
    await tell("stop");
    if (durable) await inTime(operations.close());
    try {
      // What has left is answered before the way back is closed. In memory it may wait for room.
      if (durable) await inTime(publisher.whenIdle());
      await this.#stopProvider(left().graceMs);
    } finally {
      this.#options.timeLimit.close();
      await groups.discard();
      // What is delivered in memory during the stop is seen as well.
      await this.waitFor(operations.close(), Math.max(left().graceMs, PLUGIN_AT_LEAST_MS));
      await tell("stopped");
    }
  }
}

/** What {@link receiveReport} writes to. */
interface ReportReceiver {
  readonly providerName: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly storms: StormLog;
  readonly counters: BusCounters;
  readonly health: HealthRecord;
  /** Present where every delivery runs in this process. */
  readonly tracker: SettlementTracker | undefined;
}

/** Counts and logs what a provider reports from the background. */
function receiveReport(receiver: ReportReceiver, report: ProviderReport): void {
  const { providerName: provider, clock, logger, storms, counters, health, tracker } = receiver;
  switch (report.type) {
    case "state": {
      health.report(report, clock.now());
      const level = report.state === "ready" || report.state === "connecting" ? "info" : "warn";
      const { server } = health.connection;
      const where = server === undefined ? "" : ` (${server})`;
      logger[level](
        { provider, server, err: report.cause },
        `Provider "${provider}"${where} is ${report.state}`,
      );
      break;
    }
    case "discarded": {
      const { subscriptionId: subscriberId, count } = report;
      counters.discarded += count;
      tracker?.loseTrack();
      logger.warn(
        { provider, subscriberId, count },
        `${count} deliveries were given up: provider "${provider}" is not durable`,
      );
      break;
    }
    case "dead-letters-dropped": {
      const { subscriptionId: subscriberId, count } = report;
      counters.deadLettersDropped += count;
      storms.write({
        level: "warn",
        kind: "dropped dead letters",
        fields: { provider, subscriberId, count },
        message: `${count} dead letters were dropped at their bound`,
        count,
      });
    }
  }
}
