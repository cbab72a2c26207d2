import type { Clock, Timer } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { Plugin } from "../contract/plugin.ts";
import type { EventProvider } from "../contract/provider.ts";

/** Milliseconds between two looks. */
const LOOK_EVERY_MS = 60_000;
/** By how many milliseconds a clock may be off before it is warned of. */
const TOLERATED_MS = 5_000;

/** A server whose clock decides for all processes. */
export interface WatchedServer {
  /** Such as `provider "redis"`. */
  readonly name: string;
  /** Milliseconds since the epoch by its clock; undefined: it has none. */
  readonly time: () => Promise<number | undefined>;
}

/** The servers of a provider and of plugins. */
export function serversOf(
  provider: EventProvider,
  plugins: readonly Plugin[],
): readonly WatchedServer[] {
  const owners = [
    { kind: "provider", owner: provider },
    ...plugins.map((owner) => ({ kind: "plugin", owner })),
  ];
  return owners.flatMap(({ kind, owner }) =>
    owner.serverTime
      ? [{ name: `${kind} "${owner.name}"`, time: async () => owner.serverTime?.() }]
      : [],
  );
}

/** How far the wall clock of this process is from that of a server, when it was last looked at. */
export interface ClockSkew {
  /** Such as `provider "redis"` or `plugin "outbox"`. */
  readonly server: string;
  /** Milliseconds by which this process is ahead. Negative: it is behind. */
  readonly aheadMs: number;
}

/** What a {@link ClockWatch} needs. */
export interface ClockWatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly servers: readonly WatchedServer[];
}

/**
 * Compares the wall clock with those of servers, at the start and every minute, and warns when they differ:
 * once, and again when the difference changes.
 */
export class ClockWatch {
  readonly #options: ClockWatchOptions;
  readonly #skews = new Map<WatchedServer, number>();
  readonly #warned = new Map<WatchedServer, number>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
  }

  /** Of each server that has answered. */
  get skews(): readonly ClockSkew[] {
    return this.#options.servers.flatMap((server) => {
      const aheadMs = this.#skews.get(server);
      return aheadMs === undefined ? [] : [{ server: server.name, aheadMs }];
    });
  }

  /** One sentence on the first clock that is off, if any is. */
  get detail(): string | undefined {
    const [first] = this.#warned;
    return first && describe(first[0], first[1]);
  }

  start(): void {
    for (const server of this.#options.servers) void this.#look(server);
    if (this.#options.servers.length === 0) return;
    this.#timer = this.#options.clock.setTimeout(() => this.start(), LOOK_EVERY_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #look(server: WatchedServer): Promise<void> {
    const { clock, logger } = this.#options;
    const from = clock.monotonic();
    try {
      const time = await server.time();
      if (time === undefined || this.#isClosed) return;
      // The server has looked at its clock somewhere on the way: in the middle, as far as anybody knows.
      const halfMs = (clock.monotonic() - from) / 2;
      this.#compare(server, Math.round(clock.now() - halfMs - time), halfMs);
    } catch (err) {
      // A server that is away is reported by others, and looked at again in a minute.
      logger.debug({ err }, `The clock of ${server.name} could not be looked at`);
    }
  }

  #compare(server: WatchedServer, aheadMs: number, uncertainMs: number): void {
    const { logger } = this.#options;
    this.#skews.set(server, aheadMs);
    const warnedOf = this.#warned.get(server);
    const isOff = Math.abs(aheadMs) - uncertainMs > TOLERATED_MS;
    if (!isOff) {
      if (!this.#warned.delete(server)) return;
      logger.info(
        { aheadMs },
        `The clock of this process agrees with that of ${server.name} again`,
      );
    } else if (warnedOf === undefined || Math.abs(aheadMs - warnedOf) > TOLERATED_MS) {
      this.#warned.set(server, aheadMs);
      logger.warn(
        { aheadMs },
        `${describe(server, aheadMs)}. Events are timed by the server, but times that people read, such as createdAt, are off: synchronise the clocks`,
      );
    }
  }
}

function describe({ name }: WatchedServer, aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  return `The clock of this process is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} that of ${name}`;
}
