import type {
  Envelope,
  ProviderAdmin,
  ProviderContext,
  ProviderReport,
  PublishResult,
  SubscriptionSpec,
} from "@busbar/core/provider";
import { type Clock, systemClock } from "@busbar/core/provider";
import { type Job, Queue } from "bullmq";
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { createAdmin } from "../../src/admin/admin.ts";
import { createRedisLink } from "../../src/connection/redis-link.ts";
import { createServerClock } from "../../src/store/server-clock.ts";
import { numbersIn } from "../../src/store/body-reference.ts";
import { hasBody, type JobData } from "../../src/store/job-data.ts";
import { createGroups } from "../../src/groups/groups.ts";
import { createKeys } from "../../src/store/keys.ts";
import { readJobData } from "../../src/store/stored-events.ts";
import { type ResolvedOptions, resolveOptions } from "../../src/options.ts";
import { createPublisher, type Publisher } from "../../src/publish/publisher.ts";
import { createRegistry } from "../../src/registry/create-registry.ts";
import { createScripts, type Scripts } from "../../src/store/scripts.ts";
import type { Session } from "../../src/registry/session.ts";
import type { Store } from "../../src/store/store.ts";

/** Everything of a provider but its consumers, over one connection. */
export interface TestSession extends Session {
  readonly redis: Redis;
  readonly publisher: Publisher;
  readonly admin: ProviderAdmin;
  readonly groups: ReturnType<typeof createGroups>;
  readonly reports: readonly ProviderReport[];
  readonly warnings: readonly string[];
  /** What was logged as errors, with its fields. */
  readonly errors: readonly unknown[];
  publish(...envelopes: readonly Envelope[]): Promise<readonly PublishResult[]>;
  /** The jobs of a queue as BullMQ's own getters show them, the most urgent first. */
  waiting(queue: string): Promise<readonly Job[]>;
  delayed(queue: string): Promise<readonly Job[]>;
  /** The events of a job, wherever they are stored. */
  eventsOf(data: JobData): Promise<readonly Envelope[]>;
  /** Ids of all events that wait in a queue. */
  eventIds(queue: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface TestSessionOptions {
  readonly url: string;
  readonly prefix: string;
  readonly options?: Partial<ResolvedOptions>;
  /** Comes between the session and its scripts. */
  readonly wrapScripts?: (scripts: Scripts, redis: Redis) => Scripts;
  readonly context?: {
    readonly clock?: Clock;
    readonly orphanedAfterMs?: number;
    readonly deadLetters?: { readonly maxPerSubscription: number; readonly maxAgeMs: number };
  };
}

export async function createTestSession({
  url,
  prefix,
  options,
  context,
  wrapScripts = (scripts) => scripts,
}: TestSessionOptions): Promise<TestSession> {
  const reports: ProviderReport[] = [];
  const warnings: string[] = [];
  const errors: unknown[] = [];
  const ignore = (): void => {};
  const queues = new Map<string, Queue>();
  const resolved = { ...resolveOptions({ redisUrl: url }), ...options };
  const full: ProviderContext = {
    logger: {
      debug: ignore,
      info: ignore,
      warn: (_, message) => void warnings.push(String(message)),
      error: (fields, message) => void errors.push([fields, message]),
    },
    clock: systemClock,
    namespace: "test",
    instanceId: randomUUID(),
    orphanedAfterMs: 60_000,
    deadLetters: { maxPerSubscription: 10_000, maxAgeMs: 60_000 },
    ...context,
    report: (report) => void reports.push(report),
  };
  const link = createRedisLink({ ...resolved, context: full });
  await link.whenReady(performance.now() + 5_000);
  const redis = link.client as Redis;
  const server = {
    context: full,
    options: resolved,
    keys: createKeys(prefix),
    link,
    scripts: wrapScripts(createScripts(redis), redis),
  };
  const serverClock = createServerClock(server);
  await serverClock.read();
  const parts: Store = { ...server, serverClock };
  const session: Session = { ...parts, registry: createRegistry(parts) };
  const publisher = createPublisher(session);

  function queueOf(name: string): Queue {
    let queue = queues.get(name);
    if (!queue) {
      queue = new Queue(name, { prefix, connection: { url } });
      queue.on("error", ignore);
      queues.set(name, queue);
    }
    return queue;
  }

  async function eventsOf(data: JobData): Promise<readonly Envelope[]> {
    if (!hasBody(data)) return readJobData<JobData>(JSON.stringify(data)).events ?? [];
    const packs = data.packs.map(async ([number, , which]) => {
      const text = await redis.hget(`${parts.keys.own}body:${data.body}`, String(number));
      const { events = [] } = readJobData<JobData>(text ?? "{}");
      return which ? [...numbersIn(which)].flatMap((at) => events[at] ?? []) : events;
    });
    return (await Promise.all(packs)).flat();
  }

  return {
    ...session,
    redis,
    eventsOf,
    publisher,
    admin: createAdmin(session),
    groups: createGroups(session, publisher),
    reports,
    warnings,
    errors,
    publish: (...envelopes) => publisher.publish(envelopes, inTime()),
    waiting: (name) => queueOf(name).getPrioritized(),
    delayed: (name) => queueOf(name).getDelayed(),
    async eventIds(name) {
      const jobs = await queueOf(name).getPrioritized();
      const events = await Promise.all(jobs.map(({ data }) => eventsOf(data as JobData)));
      return events.flat().map(({ id }) => id);
    },
    async close() {
      session.registry.close();
      serverClock.close();
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      await link.close();
    },
  };
}

/** Ids of the events in a job's data. */
export function idsIn(data: { readonly events?: readonly Envelope[] }): readonly string[] {
  return (data.events ?? []).map(({ id }) => id);
}

/** Options of a publish that may take its time. */
export function inTime(ms = 10_000): { readonly deadline: number; readonly inHandler: boolean } {
  return { deadline: performance.now() + ms, inHandler: false };
}

export function envelope(id: string, changes: Partial<Envelope> = {}): Envelope {
  const metadata = { created_at: 1, published_at: 2, correlationId: "3" };
  return { id, name: "order.placed", data: { id }, metadata, ...changes };
}

export function subscription(
  subscriptionId: string,
  changes: Partial<SubscriptionSpec> = {},
): SubscriptionSpec {
  return {
    subscriptionId,
    events: ["*"],
    ordering: "none",
    onOrderedFailure: "park",
    aliases: [],
    ...changes,
  };
}
