import { randomUUID } from "node:crypto";
import { createEventBus, type EventBus, type EventBusOptions } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { redisProvider } from "@busbar/redis";
import { afterEach } from "vitest";
import { dashboard, type DashboardOptions } from "../../../src/dashboard.ts";
import { serveDashboard, type ServedDashboard } from "../../../src/serve.ts";

/** A bus, and its dashboard at an address. */
export interface Shop {
  readonly bus: EventBus;
  /** The address of a page: `url("/events")`. */
  url(path?: string): string;
  /** Stops the server of the dashboard, and leaves the bus alone. */
  stopServing(): Promise<void>;
  /** Starts it again, at the same port. */
  serveAgain(): Promise<void>;
}

/** Options of {@link Shops.open}. */
export interface ShopOptions {
  /** What differs from a bus in memory that logs nothing. */
  readonly bus?: Partial<EventBusOptions>;
  /** The catalogue, as `defineEvents` makes it. */
  readonly events?: object;
  /** Whether the bus is on Redis: then all shops of a test are processes of one system. */
  readonly redis?: boolean;
  /** What differs from a dashboard at `/busbar` whose user is Ada, who may do everything. */
  readonly dashboard?: DashboardOptions;
  /** Subscribes, before the bus starts. */
  readonly prepare?: (bus: EventBus) => void;
}

/** Starts shops for the tests of a file, and stops them after each test. */
export interface Shops {
  open(options?: ShopOptions): Promise<Shop>;
}

/** The shops of the tests of a file. */
export function useShops(): Shops {
  const open: { readonly bus: EventBus; served: ServedDashboard }[] = [];
  let prefix = `{${randomUUID()}}`;
  afterEach(async () => {
    await Promise.all(
      open.splice(0).map(async ({ bus, served }) => {
        await served.close();
        await bus.stop({ graceMs: 0 });
      }),
    );
    prefix = `{${randomUUID()}}`;
  });
  return {
    async open({ bus: options = {}, events, redis = false, prepare, ...rest } = {}) {
      const board = dashboard(
        rest.dashboard ?? { basePath: "/busbar", authenticate: () => ({ name: "Ada" }) },
      );
      const { plugins = [], ...others } = options;
      const bus = createEventBus({
        name: "shop",
        provider: redis
          ? redisProvider({ redisUrl: process.env["REDIS_URL"]!, prefix })
          : localProvider(),
        logger: false,
        // The tests emit what they like.
        ...(events && { events: events as NonNullable<EventBusOptions["events"]> }),
        ...others,
        plugins: [...plugins, board],
      });
      prepare?.(bus);
      await bus.start();
      const opened = { bus, served: await serveDashboard(board, { port: 0 }) };
      open.push(opened);
      const { origin } = opened.served;
      const basePath = rest.dashboard?.basePath ?? "/busbar";
      return {
        bus,
        url: (path = "/") => origin + basePath + path,
        stopServing: () => opened.served.close(),
        async serveAgain() {
          opened.served = await serveDashboard(board, { port: Number(new URL(origin).port) });
        },
      };
    },
  };
}
