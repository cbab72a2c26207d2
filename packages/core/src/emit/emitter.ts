import type { Clock } from "../contract/clock.ts";
import type { EmitOptions, EventMessage } from "../contract/event.ts";
import type { Envelope, GroupStaging, StagedEvent, StageOptions } from "../contract/provider.ts";
import type { Interceptor } from "../contract/interceptor.ts";
import { BusbarError, isBusbarError } from "../errors/errors.ts";
import { currentRun, type CurrentRun } from "../causality/causality.ts";
import type { BusCounters } from "../observe/counters.ts";
import {
  EmitCall,
  type Emission,
  EnvelopeFactory,
  type EnvelopeFactoryOptions,
} from "./envelopes.ts";
import type { EmitTimeLimit } from "./emit-time-limit.ts";
import type { HeldEvents } from "../contract/held-events.ts";
import { intercept } from "./interceptors.ts";
import type { OutgoingEnvelope } from "../causality/outgoing-envelope.ts";
import { assertAccepted, type Publisher } from "./publisher.ts";
import { checkAll, checkData, type Schemas } from "./schema-checks.ts";
import type { SendHooks } from "./send-hooks.ts";
import { type Support, unsupported } from "./support.ts";
import type { TransactionalStaging } from "./transactional-staging.ts";
import { unavailable } from "../errors/safe-error.ts";

/** What an {@link Emitter} needs. */
export interface EmitterOptions extends EnvelopeFactoryOptions {
  readonly bus: object;
  readonly clock: Clock;
  readonly groupTtlMs: number | undefined;
  readonly catalogue: Schemas | undefined;
  readonly interceptors: ReadonlySet<Interceptor>;
  readonly counters: BusCounters;
  readonly publisher: Publisher;
  readonly timeLimit: EmitTimeLimit;
  readonly support: Support;
  /**
   * Passes, or tells what to wait for, before an emit.
   *
   * @throws TypeError before start, and BusbarError `BUSBAR_NOT_RUNNING` after stop.
   */
  readonly ready: (method: string) => Promise<void> | undefined;
  /** Absent where groups cannot be staged. */
  readonly staging: GroupStaging | undefined;
  /** What plugins do around each send. */
  readonly hooks: SendHooks | undefined;
}

/** The way of an event from `emit` to the provider. */
export class Emitter {
  readonly #options: EmitterOptions;
  readonly #envelopes: EnvelopeFactory;

  constructor(options: EmitterOptions) {
    this.#options = options;
    this.#envelopes = new EnvelopeFactory(options);
  }

  /** Whether the caller is a handler of this bus. */
  get isInHandler(): boolean {
    return currentRun()?.bus === this.#options.bus;
  }

  /**
   * Emits as {@link IEventBusModule.emit} does: validates messages, stages those of groups, and
   * publishes the others.
   *
   * Not an async function: what can be published at once takes one promise, for the answer.
   */
  emit(
    first: Emission,
    second: unknown,
    third: EmitOptions | undefined,
  ): Promise<readonly string[]> {
    try {
      const declared = this.#options.ready("emit");
      const run = currentRun();
      // Before any wait: what is emitted is what the data is now.
      const prepared = this.prepare(first, second, third, run);
      return declared || "then" in prepared
        ? this.#sendLater(prepared, declared, run)
        : this.#send(prepared, run);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Validates messages and makes envelopes of them. A promise only if a schema's answer is one.
   *
   * @throws BusbarError `BUSBAR_INVALID_MESSAGE`, `BUSBAR_INVALID_EVENT` or `BUSBAR_UNSUPPORTED`.
   */
  prepare(
    first: Emission,
    second: unknown,
    third: EmitOptions | undefined,
    run: CurrentRun | undefined,
    isDelayedElsewhere: boolean = false,
  ): readonly OutgoingEnvelope[] | Promise<readonly OutgoingEnvelope[]> {
    const { providerName, support, staging, catalogue, clock } = this.#options;
    const isName = typeof first === "string" || typeof first === "symbol";
    const options = isName ? third : (second as EmitOptions | undefined);
    const call = new EmitCall(options, run, clock.now());
    const envelopes = this.#envelopes.create(first, second, call);
    if (call.hasOptions) {
      for (const envelope of envelopes) support.assertEnvelope(envelope, isDelayedElsewhere);
    }
    if (!staging && envelopes.some(isGrouped)) {
      throw unsupported(providerName, "eventGroupId", "groups (metadata.eventGroupId)");
    }
    return catalogue ? checkAll(catalogue, envelopes) : envelopes;
  }

  /**
   * Does with messages what an emit does that is in no handler. `publish` publishes what interceptors keep: it takes the
   * place of the provider's publish, and its answer is the answer.
   *
   * @throws BusbarError as an emit does, and what interceptors and `publish` throw.
   */
  async emitBy<T>(
    messages: readonly EventMessage[],
    publish: (envelopes: readonly Envelope[], deadline: number) => Promise<T>,
  ): Promise<T> {
    const { hooks, timeLimit } = this.#options;
    const deadline = timeLimit.deadline();
    const prepared = this.prepare(messages, undefined, undefined, undefined);
    const envelopes =
      "then" in prepared ? await this.#within(prepared, deadline, "A schema") : prepared;
    const send = async (): Promise<T> => {
      const kept = await this.interceptAtEmit(envelopes.map(staged), deadline);
      const left = kept.map(({ envelope }) => envelope);
      return publish(left, deadline);
    };
    return hooks ? hooks.run({ kind: "emit", envelopes, deadline, send }) : send();
  }

  /**
   * Writes events within the caller's transaction: those of groups into their groups.
   *
   * @throws BusbarError `BUSBAR_UNSUPPORTED` when groups are staged where the transaction has no say.
   */
  async stageWithin(
    transaction: unknown,
    prepared: readonly OutgoingEnvelope[],
    target: TransactionalStaging,
    deadline: number,
  ): Promise<void> {
    const { hooks } = this.#options;
    const send = (): Promise<void> => this.#stageWithin(transaction, prepared, target, deadline);
    await (hooks ? hooks.run({ kind: "stage", envelopes: prepared, deadline, send }) : send());
  }

  async #stageWithin(
    transaction: unknown,
    prepared: readonly OutgoingEnvelope[],
    target: TransactionalStaging,
    deadline: number,
  ): Promise<void> {
    const { providerName, staging } = this.#options;
    const grouped = prepared.filter(isGrouped).map(staged);
    const single = prepared.filter((envelope) => !isGrouped(envelope)).map(staged);
    if (grouped.length > 0 && target.groups !== staging) {
      throw unsupported(providerName, "eventGroupId", "groups within a transaction");
    }
    const kept = await this.interceptAtEmit(single, deadline);
    await this.#stage(grouped, { transaction });
    const envelopes = kept.map(({ envelope }) => envelope);
    const inHandler = currentRun() !== undefined;
    if (kept.length > 0) await target.stage(transaction, envelopes, { deadline, inHandler });
  }

  /** Validates messages of a group as an emit does, without staging them. */
  async prepareStaged(messages: readonly EventMessage[]): Promise<readonly StagedEvent[]> {
    const declared = this.#options.ready("emit");
    const prepared = this.prepare(messages, undefined, undefined, currentRun());
    const deadline = this.#options.timeLimit.deadline();
    const envelopes =
      "then" in prepared ? await this.#within(prepared, deadline, "A schema") : prepared;
    if (declared) await this.#within(declared, deadline, "A declaration of subscriptions");
    const send = (): Promise<readonly StagedEvent[]> => Promise.resolve(envelopes.map(staged));
    const { hooks } = this.#options;
    return hooks ? hooks.run({ kind: "stage", envelopes, deadline, send }) : send();
  }

  /** Stages events that were held, once: in whichever call. */
  async stageHeld({ events, token }: HeldEvents): Promise<void> {
    await this.#stageWithinTime(events, this.#options.timeLimit.deadline(), token);
  }

  /** Runs the interceptors on events that are not grouped. */
  interceptAtEmit(
    events: readonly StagedEvent[],
    deadline: number,
  ): Promise<readonly StagedEvent[]> {
    return this.#within(this.#intercept(events, false), deadline, "An interceptor");
  }

  /** Runs the interceptors on events of a group that is being released. */
  interceptAtRelease(events: readonly StagedEvent[]): Promise<readonly StagedEvent[]> {
    if (this.#options.interceptors.size === 0) return Promise.resolve(events);
    const deadline = this.#options.timeLimit.deadline();
    return this.#within(this.#intercept(events, true), deadline, "An interceptor");
  }

  /** Nothing has been sent at this point: running out of time refuses the emit as a whole. */
  #within<T>(promise: Promise<T>, deadline: number, who: string): Promise<T> {
    return this.#options.timeLimit.within(promise, deadline, () => ({ who }));
  }

  async #sendLater(
    prepared: readonly OutgoingEnvelope[] | Promise<readonly OutgoingEnvelope[]>,
    declared: Promise<void> | undefined,
    run: CurrentRun | undefined,
  ): Promise<readonly string[]> {
    const deadline = this.#options.timeLimit.deadline();
    const envelopes =
      "then" in prepared ? await this.#within(prepared, deadline, "A schema") : prepared;
    if (declared) await this.#within(declared, deadline, "A declaration of subscriptions");
    return await this.#send(envelopes, run, deadline);
  }

  #send(
    envelopes: readonly OutgoingEnvelope[],
    run: CurrentRun | undefined,
    given?: number,
  ): Promise<readonly string[]> {
    const { hooks, timeLimit } = this.#options;
    if (!hooks) return this.#sendNow(envelopes, run, given);
    const kind = envelopes.every(isGrouped) ? "stage" : "emit";
    // The hooks and the send share the time of the emit.
    const deadline = given ?? timeLimit.deadline();
    const send = (): Promise<readonly string[]> => this.#sendNow(envelopes, run, deadline);
    return hooks.run({ kind, envelopes, deadline, send });
  }

  #sendNow(
    envelopes: readonly OutgoingEnvelope[],
    run: CurrentRun | undefined,
    deadline: number | undefined,
  ): Promise<readonly string[]> {
    const { interceptors, publisher, timeLimit } = this.#options;
    const isPlain = interceptors.size === 0 && !envelopes.some(isGrouped);
    if (isPlain && publisher.tryPublish(envelopes, run)) return Promise.resolve(idsOf(envelopes));
    const end = deadline ?? timeLimit.deadline();
    return isPlain
      ? this.#publish(envelopes, run, end)
      : this.#interceptAndStage(envelopes, run, end);
  }

  async #interceptAndStage(
    envelopes: readonly OutgoingEnvelope[],
    run: CurrentRun | undefined,
    deadline: number,
  ): Promise<readonly string[]> {
    const ids = idsOf(envelopes);
    const grouped = envelopes.filter(isGrouped).map(staged);
    let single: readonly Envelope[] = envelopes.filter((envelope) => !isGrouped(envelope));
    if (this.#options.interceptors.size > 0) {
      const events = single.map(staged);
      single = (await this.interceptAtEmit(events, deadline)).map(({ envelope }) => envelope);
    }
    if (grouped.length > 0) await this.#stageWithinTime(grouped, deadline);
    if (single.length === 0) return ids;
    try {
      await this.#publish(single, run, deadline);
      return ids;
    } catch (error) {
      throw withAccepted(error, grouped);
    }
  }

  async #intercept(
    events: readonly StagedEvent[],
    isGrouped: boolean,
  ): Promise<readonly StagedEvent[]> {
    const { interceptors, counters, catalogue, maxPayloadBytes } = this.#options;
    const kept = await intercept(
      interceptors,
      events,
      isGrouped,
      (name, data) => checkData(catalogue, name, data),
      maxPayloadBytes,
    );
    counters.intercepted += events.length - kept.length;
    return kept;
  }

  async #stageWithinTime(
    events: readonly StagedEvent[],
    deadline: number,
    token?: string,
  ): Promise<void> {
    const { timeLimit, providerName } = this.#options;
    const unknown = events.map(({ envelope }) => envelope.id);
    try {
      await timeLimit.within(this.#stage(events, { token }), deadline, () => ({
        who: "The staging",
        unknown,
      }));
    } catch (error) {
      throw unavailable(providerName, "Events could not be staged in their group", error, {
        unknown,
      });
    }
  }

  async #stage(
    events: readonly StagedEvent[],
    options: Pick<StageOptions, "transaction" | "token">,
  ): Promise<void> {
    const { staging, groupTtlMs } = this.#options;
    const ids = new Set(events.map(({ envelope }) => groupOf(envelope)));
    for (const eventGroupId of ids) {
      const members = events.filter(({ envelope }) => groupOf(envelope) === eventGroupId);
      await staging?.stage(eventGroupId as string, members, { ...options, ttlMs: groupTtlMs });
    }
  }

  async #publish(
    envelopes: readonly Envelope[],
    run: CurrentRun | undefined,
    deadline: number,
  ): Promise<readonly string[]> {
    const { publisher, providerName, bus } = this.#options;
    const results = await publisher.publish(envelopes, run?.bus === bus, deadline);
    assertAccepted(providerName, envelopes, results);
    return idsOf(envelopes);
  }
}

function idsOf(envelopes: readonly Envelope[]): readonly string[] {
  return envelopes.map(({ id }) => id);
}

function staged(envelope: Envelope): StagedEvent {
  return { envelope };
}

function groupOf({ metadata }: Envelope): string | undefined {
  return metadata.eventGroupId;
}

function isGrouped(envelope: Envelope): boolean {
  return envelope.metadata.eventGroupId !== undefined;
}

/** The error of the events that are not grouped, told that those which are have been staged. */
function withAccepted(error: unknown, staged: readonly StagedEvent[]): unknown {
  if (!isBusbarError(error) || !("accepted" in error.details)) return error;
  if (staged.length === 0) return error;
  const { code, message, details, cause } = error;
  const accepted = [...staged.map(({ envelope }) => envelope.id), ...(details.accepted ?? [])];
  return new BusbarError(code, message, { ...details, accepted }, { cause });
}
