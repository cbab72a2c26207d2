// Runs in a child process: a provider that does what the suite says, until it is killed.
import { randomUUID } from "node:crypto";
import { type BatchSubscriber, createEventBus, type EventBus } from "@busbar/core";
import {
  type ConsumerHandle,
  type EventProvider,
  type JsonValue,
  type Settlement,
  systemClock,
} from "@busbar/core/provider";
import { ACK, envelopes } from "../builders.ts";
import { settleByFate } from "../fates.ts";
import { pause } from "../waiting.ts";
import type { ChildCommand, ChildReport, ProviderSource, Work } from "./messages.ts";

type CreateProvider = (
  request: { readonly namespace: string },
  options: JsonValue | undefined,
) => unknown;

const DAY_MS = 86_400_000;
/** Events after which it emits no more: who would kill it may be starved by what it emits. */
const MOST_EMITTED = 10_000;
/** Milliseconds before a delivery is settled by its fate. */
const BUSY_MS = 5;

interface Running {
  provider: EventProvider | undefined;
  idle: EventBus | undefined;
  readonly consumers: ConsumerHandle[];
  /** How to settle what it holds, by the event's id. */
  readonly held: Map<string, (settlement: Settlement) => void>;
}

function say(report: ChildReport): void {
  if (process.connected) process.send?.(report);
}

async function obey(running: Running, command: ChildCommand): Promise<void> {
  if (command.type === "work") {
    await work(await createProvider(command.source), command.source.namespace, command.work);
    return;
  }
  if (command.type === "start") {
    running.provider = await createProvider(command.source);
    await start(running.provider, command.source.namespace);
    return;
  }
  if (command.type === "idle") {
    running.idle = await idle(await createProvider(command.source), command.source.namespace);
    return;
  }
  if (running.idle) {
    if (command.type === "stop") await running.idle.stop({ graceMs: command.graceMs });
    return;
  }
  const { provider } = running;
  if (!provider) throw new TypeError("Nothing is started");
  switch (command.type) {
    case "declare":
      await provider.subscriptions?.declare(command.specs);
      break;
    case "consume":
      running.consumers.push(await consume(running.held, provider, command));
      break;
    case "pause":
      // When this is over it has gone on.
      process.kill(process.pid, "SIGSTOP");
      break;
    case "settle":
      for (const [id, settlement] of command.settlements) running.held.get(id)?.(settlement);
      break;
    case "emit":
      await emit(provider, command);
      break;
    case "stop":
      await provider.stop({ graceMs: command.graceMs });
      process.disconnect();
  }
}

async function createProvider(source: ProviderSource): Promise<EventProvider> {
  const { module, namespace, options } = source;
  const loaded = (await import(module)) as { createProvider?: unknown; default?: unknown };
  const create = loaded.createProvider ?? loaded.default;
  if (typeof create !== "function") {
    throw new TypeError(`${module} exports neither createProvider nor a default function`);
  }
  return (await (create as CreateProvider)({ namespace }, options)) as EventProvider;
}

async function work(provider: EventProvider, name: string, it: Work): Promise<void> {
  const { subscriptionId: subscriberId, concurrency, maxCrashes } = it;
  const bus = createEventBus({ provider, name, maxCrashes, clock: systemClock });
  const handle = async ({ id }: { readonly id: string }): Promise<void> => {
    if (id === it.poison) {
      await pause(it.killsAfterMs);
      process.kill(process.pid, "SIGKILL");
    }
    await pause(it.busyMs);
    say({ type: "handled", id });
  };
  const handleAll: BatchSubscriber = async (events) => {
    say({ type: "begun", ids: events.map(({ id }) => id) });
    for (const event of events) await handle(event);
  };
  const context = { subscriberId, concurrency, rate: it.rate };
  if (it.batch) bus.subscribe(it.event, handleAll, { ...context, batch: it.batch });
  else bus.subscribe(it.event, handle, context);
  await bus.start();
}

async function idle(provider: EventProvider, name: string): Promise<EventBus> {
  const bus = createEventBus({ provider, name, clock: systemClock });
  bus.subscribe("a", () => {}, { subscriberId: "mail" });
  await bus.start();
  process.channel?.unref();
  return bus;
}

async function start(provider: EventProvider, namespace: string): Promise<void> {
  const log = (_fields: object, _message: string): void => {};
  await provider.start({
    logger: { debug: log, info: log, warn: log, error: log },
    clock: systemClock,
    namespace,
    instanceId: randomUUID(),
    deadLetters: { maxPerSubscription: 10_000, maxAgeMs: 30 * DAY_MS },
    orphanedAfterMs: 7 * DAY_MS,
    report() {},
  });
}

function consume(
  held: Running["held"],
  provider: EventProvider,
  { spec, hold }: Extract<ChildCommand, { type: "consume" }>,
): Promise<ConsumerHandle> {
  return provider.consume(spec, async (delivery) => {
    const { envelope, crashes, state } = delivery;
    const { subscriptionId } = spec;
    const retried = state !== undefined;
    say({ type: "delivered", subscriptionId, id: envelope.id, crashes, retried });
    if (hold === "fate") {
      await pause(BUSY_MS);
      return settleByFate(delivery);
    }
    if (hold !== "all" && !hold.includes(envelope.id)) return ACK;
    return new Promise<Settlement>((resolve) => held.set(envelope.id, resolve));
  });
}

async function emit(
  provider: EventProvider,
  { prefix, event, batch }: Extract<ChildCommand, { type: "emit" }>,
): Promise<void> {
  for (let round = 0; round * batch < MOST_EMITTED; round++) {
    const sent = envelopes(batch, `${prefix}${round}-`, () => ({ name: event }));
    const deadline = performance.now() + 10_000;
    const results = await provider.publish(sent, { deadline, inHandler: false });
    const accepted = sent.filter((_, index) => results[index]?.status === "accepted");
    say({ type: "accepted", ids: accepted.map(({ id }) => id) });
  }
}

const running: Running = { provider: undefined, idle: undefined, consumers: [], held: new Map() };

process.on("message", (command: ChildCommand) => {
  obey(running, command).then(
    () => say({ type: "done", command: command.type }),
    (error: unknown) =>
      say({ type: "failed", error: error instanceof Error ? String(error.stack) : String(error) }),
  );
});
// Without the suite there is nobody to kill it.
process.on("disconnect", () => setTimeout(() => process.exit(1), 5_000).unref());
