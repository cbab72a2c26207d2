import { EventEmitter, once } from "node:events";

import type { ServiceContainer } from "../../src/contract/container.ts";
import type { ClearGroupOptions, IEventBusModule } from "../../src/contract/event-bus-module.ts";
import type { Event, EventMessage } from "../../src/contract/event.ts";
import type { Logger } from "../../src/contract/logger.ts";

/** A bus that keeps groups as a real one does, and tells what was asked of it. */
export class RecordingBus implements IEventBusModule {
  readonly published: Event[] = [];
  readonly staged = new Map<string, Event[]>();
  readonly messages: EventMessage[] = [];
  readonly releases: string[] = [];
  readonly clears: { eventGroupId: string; options: ClearGroupOptions | undefined }[] = [];
  /** How many of the next calls fail. */
  readonly failing = { emit: 0, release: 0, clear: 0 };
  readonly #happened = new EventEmitter();
  #ids = 0;

  async emit(
    first: EventMessage | readonly EventMessage[] | string | symbol,
    ...rest: readonly unknown[]
  ): Promise<readonly string[]> {
    if (this.failing.emit-- > 0) throw new Error("emit failed");
    const messages =
      typeof first === "string" || typeof first === "symbol"
        ? [{ name: String(first), data: rest[0] }]
        : [first].flat();
    return messages.map((message) => {
      this.messages.push(message);
      const { name, data, metadata = {} } = message;
      const event: Event = { id: `id-${++this.#ids}`, name, data, metadata };
      const { eventGroupId } = metadata;
      if (eventGroupId === undefined) this.published.push(event);
      else this.staged.set(eventGroupId, [...this.stagedIn(eventGroupId), event]);
      return event.id;
    });
  }

  async releaseGroupedEvents(eventGroupId: string): Promise<void> {
    this.releases.push(eventGroupId);
    if (this.failing.release-- > 0) throw new Error("release failed");
    this.published.push(...this.stagedIn(eventGroupId));
    this.staged.delete(eventGroupId);
    this.#happened.emit("released");
  }

  async clearGroupedEvents(eventGroupId: string, options?: ClearGroupOptions): Promise<void> {
    this.clears.push({ eventGroupId, options });
    if (this.failing.clear-- > 0) throw new Error("clear failed");
    const kept = this.stagedIn(eventGroupId).filter(({ name, metadata }) => {
      const named = options?.eventNames?.includes(name) ?? true;
      const ofStep = options?.stepIds?.includes(metadata.stepId ?? "") ?? true;
      return !(named && ofStep);
    });
    if (kept.length > 0) this.staged.set(eventGroupId, kept);
    else this.staged.delete(eventGroupId);
    this.#happened.emit("cleared");
  }

  /** Resolves at the next release, or clear, that succeeds. */
  async next(what: "released" | "cleared"): Promise<void> {
    await once(this.#happened, what);
  }

  names(): readonly string[] {
    return this.published.map(({ name }) => name);
  }

  stagedIn(eventGroupId: string): readonly Event[] {
    return this.staged.get(eventGroupId) ?? [];
  }

  subscribe(): this {
    return this;
  }

  unsubscribe(): this {
    return this;
  }

  addInterceptor(): this {
    return this;
  }

  removeInterceptor(): this {
    return this;
  }
}

/** A strict container: what it does not have throws. */
export function makeContainer(services: Readonly<Record<string, unknown>>): ServiceContainer {
  return {
    // A container cannot know the types of its services.
    // oxlint-disable-next-line typescript/no-explicit-any
    resolve(name: string | symbol): any {
      const key = String(name);
      if (!(key in services)) throw new Error(`Could not resolve "${key}"`);
      return services[key];
    },
  };
}

/** A bus, and a container that has it. */
export function makeBus(): { bus: RecordingBus; container: ServiceContainer } {
  const bus = new RecordingBus();
  return { bus, container: makeContainer({ event_bus: bus }) };
}

/** A logger that keeps its lines. */
export function makeLogger(): Logger & { readonly lines: { level: string; message: string }[] } {
  const lines: { level: string; message: string }[] = [];
  const at = (level: string) => (_fields: object, message: string) => {
    lines.push({ level, message });
  };
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Collects unhandled rejections while `callback` runs. */
export async function unhandledRejections(callback: () => Promise<void>): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const keep = (reason: unknown): void => void reasons.push(reason);
  process.on("unhandledRejection", keep);
  try {
    await callback();
    // Node reports them after the microtasks of the turn in which they were rejected.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("unhandledRejection", keep);
  }
  return reasons;
}
