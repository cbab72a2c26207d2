import { AsyncResource } from "node:async_hooks";
import type { ProviderContext, Settlement } from "@busbar/core/provider";
import { ACK } from "../../src/builders.ts";
import { faulty, faultyConsumer, faultyDelivery } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

export const lifecycleMutants: readonly Mutant[] = [
  {
    mistake: "delivers in the async context of who published first",
    caughtBy: ["bus-delivery/async-context"],
    harness: () =>
      faulty((inner) => {
        let first: AsyncResource | undefined;
        const scope = (): AsyncResource => (first ??= new AsyncResource("Mistake"));
        return {
          publish: (batch, options) => {
            scope();
            return inner.publish(batch, options);
          },
          consume: (spec, deliver) =>
            inner.consume(spec, (it) => scope().runInAsyncScope(() => deliver(it))),
        };
      }),
  },
  {
    mistake: "rejects a stop while it starts",
    caughtBy: ["lifecycle/stop-while-starting"],
    harness: () =>
      faulty((inner) => {
        let isStarting = false;
        return {
          start: async (context) => {
            isStarting = true;
            await new Promise((resolve) => setTimeout(resolve, 5));
            await inner.start(context);
            isStarting = false;
          },
          stop: (options) =>
            isStarting ? Promise.reject(new Error("Not yet")) : inner.stop(options),
        };
      }),
  },
  {
    mistake: "lets itself be started twice",
    caughtBy: ["lifecycle/start-twice"],
    harness: () => {
      return faulty((inner) => ({ start: (context) => inner.start(context).catch(() => {}) }));
    },
  },
  {
    mistake: "hangs in stop while a handler hangs",
    caughtBy: ["lifecycle/stop-deadline", "bus-shutdown/deadline"],
    harness: () =>
      faulty((inner) => ({
        stop: ({ graceMs }) => inner.stop({ graceMs: graceMs === 0 ? 0 : 60_000 }),
      })),
  },
  {
    mistake: "does not wait in stop",
    caughtBy: ["lifecycle/stop-drains", "lifecycle/stop-delivers", "bus-shutdown/drains"],
    harness: () => faulty((inner) => ({ stop: () => inner.stop({ graceMs: 0 }) })),
  },
  {
    mistake: "publishes nothing while it stops",
    caughtBy: ["bus-shutdown/emits-while-draining", "bus-shutdown/what-is-due"],
    harness: () =>
      faulty((inner) => {
        let stopping = false;
        return {
          publish: (batch, options) =>
            stopping ? Promise.reject(new Error("Stopped")) : inner.publish(batch, options),
          stop: (options) => {
            stopping = true;
            return inner.stop(options);
          },
        };
      }),
  },
  {
    mistake: "rejects a second stop",
    caughtBy: ["lifecycle/stop-twice"],
    harness: () =>
      faulty((inner) => {
        let stopped = false;
        return {
          stop: async (options) => {
            // The suite's own end would trip over it, too.
            if (stopped && options.graceMs > 0) throw new Error("Stopped before");
            stopped = true;
            await inner.stop(options);
          },
        };
      }),
  },
  {
    mistake: "hands over after stop",
    caughtBy: ["lifecycle/silent-after-stop"],
    harness: () =>
      faulty((inner) => {
        const late: (() => void)[] = [];
        return {
          consume: (spec, deliver) =>
            inner.consume(spec, (it) => {
              late.push(() => void deliver(it).catch(() => {}));
              return deliver(it);
            }),
          stop: async (options) => {
            await inner.stop(options);
            setTimeout(() => late.forEach((deliver) => deliver()), 5);
          },
        };
      }),
  },
  {
    mistake: "says nothing of what it gives up",
    caughtBy: ["lifecycle/stop-reports"],
    harness: () => faulty((inner) => ({ start: (it) => inner.start({ ...it, report() {} }) })),
  },
  {
    mistake: "leaks a timer of Node's",
    caughtBy: ["lifecycle/no-handles"],
    harness: () =>
      faulty((inner) => ({
        start: async (context) => {
          for (let count = 0; count < 3; count++) setTimeout(() => {}, 5_000);
          await inner.start(context);
        },
      })),
  },
  {
    mistake: "leaks a timer of the bus's clock",
    caughtBy: ["lifecycle/no-timers"],
    harness: () =>
      faulty((inner) => ({
        start: async (context) => {
          context.clock.setTimeout(() => {}, 60_000);
          await inner.start(context);
        },
      })),
  },
  {
    mistake: "throws in the background when a handler fails",
    caughtBy: ["lifecycle/no-background-throw"],
    harness: () =>
      faultyDelivery((deliver) => (it) => {
        const run = deliver(it);
        void run.then(() => {});
        return run;
      }),
  },
  {
    mistake: "logs payloads",
    caughtBy: ["lifecycle/no-payloads-in-logs"],
    harness: () =>
      faulty((inner) => {
        let log = (_fields: object, _message: string): void => {};
        return {
          start: async (context) => {
            log = (fields, message) => context.logger.debug(fields, message);
            await inner.start(context);
          },
          publish: (batch, options) => {
            log({ batch }, "Published");
            return inner.publish(batch, options);
          },
        };
      }),
  },
  {
    mistake: "rejects with the arguments of its command",
    caughtBy: ["lifecycle/no-payloads-in-logs"],
    harness: () =>
      faulty((inner) => ({
        publish: (batch, options) =>
          inner.publish(batch, options).catch((error: Error) => {
            throw Object.defineProperty(error, "command", { value: { args: batch } });
          }),
      })),
  },
  {
    mistake: "answers a publish with a cause that holds the payload",
    caughtBy: ["lifecycle/no-payloads-in-logs"],
    harness: () =>
      faulty((inner) => ({
        publish: async (batch, options) => {
          const results = await inner.publish(batch, options);
          const cause = Object.assign(new Error("slow"), { batch });
          return results.map((result) => ({ ...result, cause }));
        },
      })),
  },
  {
    mistake: "reports a state with a cause that holds the payload",
    caughtBy: ["lifecycle/no-payloads-in-logs"],
    harness: () =>
      faulty((inner) => {
        let report: ProviderContext["report"] | undefined;
        return {
          start: async (context) => {
            ({ report } = context);
            await inner.start(context);
          },
          publish: (batch, options) => {
            const cause = new Error(`No answer to ${JSON.stringify(batch)}`);
            report?.({ type: "state", state: "ready", cause });
            return inner.publish(batch, options);
          },
        };
      }),
  },
  {
    mistake: "hangs in close while a handler hangs",
    caughtBy: ["close/deadline"],
    harness: () => faultyConsumer((handle) => ({ close: () => handle.close({ graceMs: 60_000 }) })),
  },
  {
    mistake: "does not wait in close",
    caughtBy: ["close/drains"],
    harness: () => faultyConsumer((handle) => ({ close: () => handle.close({ graceMs: 0 }) })),
  },
  {
    mistake: "loses in close what is in hand",
    caughtBy: ["close/deadline"],
    harness: () =>
      faulty((inner) => ({
        consume: async (spec, deliver) => {
          let giveUp = (): void => {};
          const over = new Promise<Settlement>((resolve) => {
            giveUp = () => resolve(ACK);
          });
          const handle = await inner.consume(spec, (it) => Promise.race([deliver(it), over]));
          return {
            close: async ({ graceMs }) => {
              const timer = setTimeout(giveUp, graceMs);
              await handle.close({ graceMs: graceMs + 60_000 });
              clearTimeout(timer);
            },
          };
        },
      })),
  },
  {
    mistake: "goes on taking deliveries while it closes",
    caughtBy: ["close/drains"],
    harness: () =>
      faulty((inner) => ({
        consume: async (spec, deliver) => {
          const handle = await inner.consume(spec, deliver);
          return {
            close: async (options) => {
              const closing = handle.close(options);
              const again = await inner.consume(spec, deliver);
              await closing;
              await again.close({ graceMs: 0 });
            },
          };
        },
      })),
  },
];
