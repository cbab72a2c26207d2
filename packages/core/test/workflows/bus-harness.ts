import type { ServiceContainer } from "../../src/contract/container.ts";
import type { IEventBusModule } from "../../src/contract/event-bus-module.ts";
import type { Event } from "../../src/contract/event.ts";
import { makeContainer, RecordingBus } from "./recording-bus.ts";

/** A running bus, for one test. */
export interface BusHarness extends AsyncDisposable {
  readonly bus: IEventBusModule;
  /** The events that reached subscribers, or would have, once all that were released have. */
  published(): Promise<readonly Pick<Event, "name" | "data">[]>;
}

/** Makes a bus of its own for each test. */
export type BusFactory = () => Promise<BusHarness>;

/** The bus that these tests are written for. */
export const recordingBusFactory: BusFactory = async () => {
  const bus = new RecordingBus();
  return {
    bus,
    published: async () => bus.published,
    async [Symbol.asyncDispose]() {},
  };
};

/** A container with a bus and no more. */
export function asBusContainer(bus: IEventBusModule): ServiceContainer {
  return makeContainer({ event_bus: bus });
}

/** A bus whose first releases fail; `failures.released` resolves at the first that succeeds. */
export function failingReleases(
  bus: IEventBusModule,
  times: number,
): { bus: IEventBusModule; failures: { readonly released: Promise<void> } } {
  let left = times;
  let resolveReleased = (): void => {};
  const released = new Promise<void>((resolve) => {
    resolveReleased = resolve;
  });
  const failing = new Proxy(bus, {
    get(target, key) {
      if (key === "releaseGroupedEvents") {
        return async (eventGroupId: string): Promise<void> => {
          if (left-- > 0) throw new Error("release failed");
          await target.releaseGroupedEvents(eventGroupId);
          resolveReleased();
        };
      }
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { bus: failing, failures: { released } };
}
