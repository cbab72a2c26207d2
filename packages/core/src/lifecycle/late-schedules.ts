import { type Role, roleFires } from "../contract/bus-options.ts";
import type { EventProvider } from "../contract/provider.ts";
import type { Schedule, ScheduleInfo, Schedules } from "../contract/schedule.ts";
import { unsupported } from "../emit/support.ts";
import type { BusSchedules, BusSchedulesOptions } from "../schedules/bus-schedules.ts";
import { assertText } from "../values/arguments.ts";

/** What {@link LateSchedules} need. */
export interface LateSchedulesOptions extends Omit<BusSchedulesOptions, "store" | "provider"> {
  readonly provider: EventProvider;
  readonly role: Role;
  /** Those in the options of the bus. */
  readonly given: Readonly<Record<string, Schedule>> | undefined;
  /**
   * Passes, or returns a promise to wait for, before a call.
   *
   * @throws TypeError before start, and BusbarError `BUSBAR_NOT_RUNNING` after stop.
   */
  readonly ready: (method: string) => Promise<void> | undefined;
}

/** The schedules of a bus, which are loaded when they are used. */
export class LateSchedules implements Schedules {
  readonly #options: LateSchedulesOptions;
  #loading: Promise<BusSchedules> | undefined;
  #isClosed = false;

  constructor(options: LateSchedulesOptions) {
    this.#options = options;
  }

  /**
   * Sets what the options of the bus have, and fires what is due from now on. In memory it loads nothing as long as
   * there are no schedules.
   *
   * @throws TypeError or BusbarError, as `set` does.
   */
  async start(): Promise<void> {
    const { given, provider, role } = this.#options;
    if (!roleFires(role)) return;
    const ids = Object.keys(given ?? {});
    if (ids.length === 0 && !(provider.schedules && provider.capabilities.durable)) return;
    const schedules = await this.#load();
    await schedules.setAll(given ?? {});
    schedules.start();
  }

  /** Fires no more. */
  close(): void {
    this.#isClosed = true;
    void this.#loading?.then((schedules) => schedules.close());
  }

  /** Resolves when nothing is being emitted. */
  async whenIdle(): Promise<void> {
    await (await this.#loading)?.whenIdle();
  }

  set(id: string, schedule: Schedule): Promise<void> {
    return this.#call("set", (it) => it.set(id, schedule));
  }

  get(id: string): Promise<ScheduleInfo | undefined> {
    return this.#callFor(id, "get", (it) => it.get(id));
  }

  list(): Promise<readonly ScheduleInfo[]> {
    return this.#call("list", (it) => it.list());
  }

  remove(id: string): Promise<boolean> {
    return this.#callFor(id, "remove", (it) => it.remove(id));
  }

  pause(id: string): Promise<void> {
    return this.#callFor(id, "pause", (it) => it.pause(id));
  }

  resume(id: string): Promise<void> {
    return this.#callFor(id, "resume", (it) => it.resume(id));
  }

  trigger(id: string): Promise<string> {
    return this.#callFor(id, "trigger", (it) => it.trigger(id));
  }

  async #callFor<T>(
    id: string,
    name: string,
    work: (schedules: BusSchedules) => Promise<T>,
  ): Promise<T> {
    assertText(`schedules.${name}()`, "id", id);
    return this.#call(name, work);
  }

  async #call<T>(name: string, work: (schedules: BusSchedules) => Promise<T>): Promise<T> {
    await this.#options.ready(`schedules.${name}`);
    return work(await this.#load());
  }

  /** @throws BusbarError `BUSBAR_UNSUPPORTED` when the provider keeps no schedules. */
  #load(): Promise<BusSchedules> {
    const { provider, role } = this.#options;
    const { schedules: store } = provider;
    if (!store) return Promise.reject(unsupported(provider.name, "schedules", "schedules"));
    this.#loading ??= import("../schedules/bus-schedules.ts").then((loaded) => {
      const schedules = new loaded.BusSchedules({ ...this.#options, store });
      if (this.#isClosed || !roleFires(role)) schedules.close();
      return schedules;
    });
    return this.#loading;
  }
}
