import assert from "node:assert/strict";
import { type Clock, systemClock, type Timer } from "@busbar/core/provider";
import { ACK, consumer, dead, envelope, envelopes, retry, subscription } from "../builders.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { durable } from "../requirements.ts";

/** What keeps a process alive, and what a provider may have opened. */
const RESOURCES: ReadonlySet<string> = new Set([
  "Timeout",
  "Immediate",
  "TCPSocketWrap",
  "TCPServerWrap",
  "TCPConnectWrap",
  "TLSWrap",
  "PipeConnectWrap",
  "PipeServerWrap",
  "UDPWrap",
  "FSEventWrap",
  "StatWatcher",
  "Worker",
]);

function openResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) {
    if (RESOURCES.has(type)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}

/** The system's clock, and the timers of it that are pending. */
function countingClock(): Clock & { readonly pending: ReadonlySet<Timer> } {
  const pending = new Set<Timer>();
  return {
    pending,
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
    setTimeout(callback, delayMs, options) {
      const inner = systemClock.setTimeout(
        () => {
          pending.delete(timer);
          callback();
        },
        delayMs,
        options,
      );
      const timer: Timer = {
        cancel() {
          pending.delete(timer);
          inner.cancel();
        },
      };
      pending.add(timer);
      return timer;
    },
  };
}

/** What a provider leaves behind, in its process and elsewhere. */
export const leftovers: readonly ConformanceCase[] = defineCases("lifecycle", [
  {
    id: "no-timers",
    name: "stop leaves no timer behind",
    promise: "contract: leaves neither timer nor socket behind after stop",
    async run(context) {
      const { delay, retryDelay } = context.capabilities;
      const clock = countingClock();
      const instance = await context.start({ clock });
      const inbox = await instance.consume(consumer("mail"), ({ id }) =>
        id === "retry" ? retry(60_000) : id === "dead" ? dead() : ACK,
      );
      const ids = [...(retryDelay ? ["retry"] : []), "dead", "ack"];
      const later = envelope("later", { delayMs: 60_000 });
      await instance.publish(...(delay ? [later] : []), ...ids.map((id) => envelope(id)));
      await inbox.has(ids);

      await inbox.idle();
      await instance.stop(50);
      assert.equal(clock.pending.size, 0, "timers of the bus's clock are pending");
    },
  },
  {
    id: "no-handles",
    name: "stop leaves nothing open that keeps a process alive",
    promise: "contract: leaves neither timer nor socket behind after stop",
    alone: true,
    async run(context) {
      const before = openResources();
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), ({ id }) =>
        id === "retry" ? retry(0) : ACK,
      );
      await instance.publish(...envelopes(20));
      await inbox.received(20);
      await instance.stop(1_000);
      let left: readonly string[] = [];
      const closed = context.waiting.eventually("what is open to be closed", async () => {
        const now = openResources();
        // The case's own timers and this look's are open in both.
        left = [...now].flatMap(([type, count]) => {
          const spare = type === "Timeout" ? 2 : 0;
          return count > (before.get(type) ?? 0) + spare ? [`${count} ${type}`] : [];
        });
        return left.length === 0;
      });
      await context.waiting.within(() => `an end of ${left.join(", ")}`, context.ms(3_000), closed);
    },
  },
  {
    id: "process-exits",
    name: "a process ends by itself when its provider has stopped",
    promise: "contract: leaves neither timer nor socket behind after stop",
    when: durable,
    limitMs: () => 30_000,
    async run(context) {
      const child = await context.child();
      await child.declare(subscription("mail"));
      await child.consume(consumer("mail"), []);
      await child.stopAndExit(1_000);
      assert.equal(child.exitCode, 0);
    },
  },
  {
    id: "no-background-throw",
    name: "whatever a handler, the logger or the bus throws, nothing is thrown from the background",
    promise: "contract: never throws from the background",
    async run(context) {
      const fail = (): never => {
        throw new Error("The conformance suite throws, as it should");
      };
      const instance = await context.start({
        report: fail,
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      });
      const inbox = await instance.consume(consumer("mail"), (handover, nth) => {
        if (nth === 1) handover.crash();
        else handover.settle(ACK);
        return handover.settled;
      });
      await instance.publish(...envelopes(5));
      await inbox.received(10);
      await instance.stop(100);
      await instance.silence();
    },
  },
  {
    id: "no-payloads-in-logs",
    name: "payloads are never logged, nor thrown",
    promise: "contract: never logs payloads",
    async run(context) {
      // Each case ends with a look at what was logged, reported and thrown: the default data has a secret.
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"), (handover, nth) => {
        if (nth === 1) handover.crash();
        else handover.settle(nth === 2 ? retry(0) : dead());
        return handover.settled;
      });
      await instance.publish(envelope("1"));
      await inbox.received(3);
      await instance.stop(100);
      const late = { deadline: Date.now() + 1_000, inHandler: false };
      await instance.provider.publish([envelope("2")], late).catch(() => {});
    },
  },
]);
