import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createEventBus, type EventBus, isBusbarError } from "@busbar/core";
import { vi } from "vitest";
// @boundaries-ignore what starts the processes of all tests
import { bundlePrograms } from "../../../../.ci/child-programs.mjs";
import type { NatsProviderOptions } from "../../src/options.ts";
import { natsProvider } from "../../src/nats-provider.ts";

const SUBSCRIPTIONS = ["mail", "stock"];
/** For a machine that is busy with other tests. */
const HANDLED_WITHIN_MS = 60_000;

/** How much the load is. */
export interface LoadSize {
  readonly events: number;
  readonly emitters: number;
}

/** Something that happens once a share of all events was emitted. */
export interface Disturbance {
  readonly at: number;
  readonly happen: () => Promise<void>;
}

/** What became of the events. */
export interface Account {
  readonly lost: number;
  readonly dead: number;
  readonly repeated: number;
  /** Emits that were tried again, under the same id. */
  readonly again: number;
}

/** Emitters in this process, two workers in processes of their own, and the count of what each event came to. */
export interface ClusterLoad extends AsyncDisposable {
  readonly workers: readonly ChildProcess[];
  addWorker(): Promise<ChildProcess>;
  /** Emits all events, each until it is accepted. */
  emitAll(...disturbances: readonly Disturbance[]): Promise<void>;
  /** Resolves when each subscription has handled each event, or it has waited for too long. */
  account(): Promise<Account>;
}

/** Starts the load on a bus of its own. */
export async function startLoad(
  name: string,
  options: NatsProviderOptions,
  { events, emitters }: LoadSize,
): Promise<ClusterLoad> {
  const [program] = await bundlePrograms(
    new URL("../processes/cluster-worker.ts", import.meta.url),
  );
  const input = JSON.stringify({ name, options, subscriptions: SUBSCRIPTIONS });
  const runs = new Map(SUBSCRIPTIONS.map((id) => [id, new Map<number, number>()]));
  const workers: ChildProcess[] = [];
  let again = 0;

  async function addWorker(): Promise<ChildProcess> {
    const worker = fork(fileURLToPath(program), [input], { execArgv: [] });
    workers.push(worker);
    const ready = new Promise<void>((resolve, reject) => {
      // A worker handles events before its start has ended.
      worker.on("message", (message: "ready" | [id: string, event: number]) => {
        if (message === "ready") return resolve();
        const [id, event] = message;
        const times = runs.get(id);
        times?.set(event, (times.get(event) ?? 0) + 1);
      });
      worker.once("exit", () => reject(new Error("A worker has ended before it was ready")));
    });
    await ready;
    return worker;
  }

  const bus: EventBus = createEventBus({
    name,
    provider: natsProvider(options),
    role: "server",
    emitTimeoutMs: 3_000,
  });
  await Promise.all([addWorker(), addWorker()]);
  await bus.start();

  async function emit(event: number): Promise<void> {
    for (;;) {
      try {
        await bus.emit({ id: `event-${event}`, name: "order.placed", data: event });
        return;
      } catch (error) {
        if (!isBusbarError(error)) throw error;
        again += 1;
        await sleep(20);
      }
    }
  }

  return {
    workers,
    addWorker,

    async emitAll(...disturbances) {
      const due = new Map(disturbances.map(({ at, happen }) => [Math.floor(events * at), happen]));
      let begun = 0;
      const emitter = async (): Promise<void> => {
        while (begun < events) {
          const event = begun++;
          await emit(event);
          await due.get(event)?.();
        }
      };
      await Promise.all(Array.from({ length: emitters }, emitter));
    },

    async account() {
      const isHandled = (): boolean => [...runs.values()].every(({ size }) => size >= events);
      await vi.waitUntil(isHandled, { timeout: HANDLED_WITHIN_MS, interval: 50 }).catch(() => {});
      const times = [...runs.values()].flatMap((it) => [...it.values()]);
      const { items: dead } = await bus.deadLetters.list();
      return {
        lost: events * SUBSCRIPTIONS.length - times.length,
        dead: dead.length,
        repeated: times.reduce((sum, it) => sum + it, 0) - times.length,
        again,
      };
    },

    async [Symbol.asyncDispose]() {
      for (const worker of workers) worker.kill("SIGKILL");
      await bus.stop({ graceMs: 0 });
    },
  };
}
