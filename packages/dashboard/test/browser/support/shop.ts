import { createEventBus, type EventBus, type EventBusOptions } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { type Dashboard, dashboard, type DashboardOptions } from "../../../src/dashboard.ts";
import { serveDashboard } from "../../../src/serve.ts";

/** A bus, and its dashboard at an address. */
export interface Shop extends AsyncDisposable {
  readonly bus: EventBus;
  readonly board: Dashboard;
  /** The address of a page: `url("/events")`. */
  url(path?: string): string;
}

/** Options of {@link openShop}. */
export interface ShopOptions {
  /** What differs from a bus in memory that logs nothing. */
  readonly bus?: Partial<EventBusOptions>;
  /** What differs from a dashboard at `/busbar` whose user is Ada, who may do everything. */
  readonly dashboard?: DashboardOptions;
  /** Subscribes, before the bus starts. */
  readonly prepare?: (bus: EventBus) => void;
}

/** Starts a bus named `shop`, and serves its dashboard at a port that is free. */
export async function openShop(options: ShopOptions = {}): Promise<Shop> {
  const board = dashboard(
    options.dashboard ?? { basePath: "/busbar", authenticate: () => ({ name: "Ada" }) },
  );
  const { plugins = [], ...rest } = options.bus ?? {};
  const bus = createEventBus({
    name: "shop",
    provider: localProvider(),
    logger: false,
    ...rest,
    plugins: [...plugins, board],
  });
  options.prepare?.(bus);
  await bus.start();
  const served = await serveDashboard(board, { port: 0 });
  return {
    bus,
    board,
    url: (path = "/") => `${served.origin}${options.dashboard?.basePath ?? "/busbar"}${path}`,
    async [Symbol.asyncDispose]() {
      await served.close();
      await bus.stop();
    },
  };
}
