import type { DescribedEvent, EventBus } from "@busbar/core";
import type { Plugin, PluginContext } from "@busbar/core/plugin";
import { assertOptions, type Checks, checks } from "@busbar/core/provider";
import { allRoutes } from "./api/routes.ts";
import { webhooksApi } from "./api/webhooks-api.ts";
import { type AuditEntry, AuditLog } from "./audit.ts";
import type { Authenticate, Caller } from "./auth/caller.ts";
import { type AccessToken, checkTokens, isSecure, TokenSessions } from "./auth/tokens.ts";
import type { OutboxFeature, RunStore, WebhooksFeature } from "./contract/features.ts";
import { createApi, failure } from "./http/app.ts";
import { EventStreams } from "./http/event-stream.ts";
import { withHeaders } from "./http/headers.ts";
import { keepPage, Page, textResponse } from "./http/page.ts";
import { Problem, problemResponse } from "./http/problem.ts";
import { Jobs } from "./jobs.ts";
import { Sampler } from "./overview/sampler.ts";
import { RunRecorder } from "./recorder/run-recorder.ts";
import type { Running } from "./running.ts";

/** Options of {@link dashboard}. */
export interface DashboardOptions {
  /**
   * The path that people open in the browser, such as `/busbar`. Give the whole path, even if the host takes it off the
   * URL, as `app.use("/busbar", …)` of Express does.
   *
   * @default ""
   */
  readonly basePath?: string | undefined;
  /** Finds out who sends a request, in the way of the application. Either this or `token` is needed. */
  readonly authenticate?: Authenticate | undefined;
  /**
   * A token of at least 16 characters that people enter once, or one for each of them. The browser then keeps a cookie
   * for 12 hours. Either this or `authenticate` is needed.
   *
   * @example
   * ```ts
   * token: [
   *   { name: "ada", token: process.env["ADAS_TOKEN"]! },
   *   { name: "support", token: process.env["SUPPORT_TOKEN"]!, readOnly: true },
   * ],
   * ```
   */
  readonly token?: string | readonly AccessToken[] | undefined;
  /**
   * Whether nobody may change anything.
   *
   * @default false
   */
  readonly readOnly?: boolean | undefined;
  /**
   * A function that the dashboard calls with each action, for an audit log that lasts. It may return a promise: the
   * dashboard does not wait for it, and logs the error if it rejects. None by default.
   */
  readonly onAction?: ((entry: AuditEntry) => void | Promise<void>) | undefined;
  /**
   * The outbox to show.
   *
   * @default the plugin of the bus with the name "outbox"
   */
  readonly outbox?: OutboxFeature | undefined;
  /**
   * The webhooks to show.
   *
   * @default the plugin of the bus with the name "webhooks"
   */
  readonly webhooks?: WebhooksFeature | undefined;
  /** A store that knows runs of workflows. None by default. */
  readonly runs?: RunStore | undefined;
}

const OPTIONS: Checks<DashboardOptions> = {
  basePath: (value) =>
    typeof value === "string" && /^(\/[\w.~-]+)*\/?$/.test(value)
      ? undefined
      : 'must be a path such as "/busbar"',
  authenticate: checks.function,
  token: checkTokens,
  readOnly: checks.boolean,
  onAction: checks.function,
  outbox: checks.object,
  webhooks: checks.object,
  runs: checks.object,
};

/** The name of the plugin. */
const NAME = "dashboard";

/** The dashboard of a bus: a plugin, and what serves the page. */
export interface Dashboard extends Plugin {
  /**
   * Answers requests for the page and its API, as anything that speaks `fetch` does. Never rejects. It may be passed on
   * as it is. While the bus does not run, the API answers 503.
   *
   * @example
   * ```ts
   * app.all("/busbar/*", (context) => board.fetch(context.req.raw)); // Hono
   * ```
   */
  readonly fetch: (request: Request) => Promise<Response>;
  /**
   * Makes a link that signs in once, within 10 minutes, as the first of the tokens does. For a terminal that shows the
   * link to the person who has started the dashboard.
   *
   * @param origin Where the dashboard is, such as `http://localhost:4000`.
   * @throws TypeError without the option `token`.
   */
  createSignInLink(origin: string): string;
}

/**
 * Makes a plugin that serves a page on which operators see what the bus does, and act on it.
 *
 * @throws TypeError when an option has a value that it cannot have, or neither `token` nor `authenticate` is given.
 *
 * @example
 * ```ts
 * const board = dashboard({ token: process.env["DASHBOARD_TOKEN"]! });
 * const bus = createEventBus({ provider, plugins: [board] });
 * await bus.start();
 * await serveDashboard(board, { port: 4000 });
 * ```
 */
export function dashboard(options: DashboardOptions): Dashboard {
  assertOptions("dashboard()", options, OPTIONS);
  const { token, authenticate, readOnly = false } = options;
  if ((token === undefined) === (authenticate === undefined)) {
    throw new TypeError("dashboard() needs either the option token or the option authenticate");
  }
  const basePath = (options.basePath ?? "").replace(/\/$/, "");
  const sessions = token === undefined ? undefined : new TokenSessions(token, basePath || "/");
  const audit = new AuditLog(options.onAction);
  const runs = new RunRecorder();
  const streams = new EventStreams();
  const jobs = new Jobs(audit, () => running?.context.logger);
  let running: Running | undefined;
  const started = (): Running => {
    if (running) return running;
    throw new Problem("unavailable", "The bus does not run", { headers: { "retry-after": "5" } });
  };
  const callerOf = async (request: Request): Promise<Caller | undefined> =>
    sessions ? sessions.callerOf(request) : authenticate?.(request);
  const environment = { callerOf, readOnly, audit, logger: () => running?.context.logger };
  const api = createApi(
    basePath,
    allRoutes({
      session: {
        sessions,
        readOnly,
        busName: async () => {
          const overview = await running?.sampler.overview().catch(() => undefined);
          return overview?.bus;
        },
        features: () => ({
          outbox: running?.outbox !== undefined,
          webhooks: running?.webhooks !== undefined,
          runs: options.runs !== undefined,
        }),
      },
      started,
      streams,
      jobs,
      audit,
    }),
    [webhooksApi(() => started().webhooks, readOnly)],
    environment,
  );
  const page = keepPage(() => readPage(basePath));
  const answer = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const path = withoutBase(url.pathname, basePath);
    if (path === "/api" || path.startsWith("/api/")) return api(request);
    if (request.method !== "GET" && request.method !== "HEAD") {
      const headers = { allow: "GET, HEAD" };
      return problemResponse(new Problem("method-not-allowed", "Pages are only read", { headers }));
    }
    const code = url.searchParams.get("sign-in");
    if (code !== null && sessions) {
      const cookie = sessions.redeem(code, isSecure(request));
      // Two slashes would lead to another host.
      const location = basePath + path.replace(/^\/+/, "/");
      return textResponse(303, "", { location, ...(cookie && { "set-cookie": cookie }) });
    }
    return (await page()).answer(request, path);
  };
  return {
    name: NAME,
    start(context) {
      if (running) throw new TypeError("This dashboard belongs to another bus: make another");
      audit.logger = context.logger;
      // The bus of a plugin is whole at run time.
      const bus = context.bus as unknown as EventBus;
      const { capabilities } = context;
      // Schemas are described when a page asks for them: that takes a while.
      let declared: ReadonlyMap<string, DescribedEvent> | undefined;
      const sampler = new Sampler({ bus, capabilities, plugin: NAME });
      running = {
        bus,
        context,
        sampler,
        declared: () => (declared ??= declaredBy(bus)),
        runs: options.runs,
        outbox: options.outbox ?? found<OutboxFeature>(context, "outbox", "inspect"),
        webhooks: options.webhooks ?? found<WebhooksFeature>(context, "webhooks", "handler"),
      };
      runs.start(context.on);
      sampler.start();
    },
    stop() {
      streams.close();
      jobs.close();
      runs.stop();
      running?.sampler.close();
      running = undefined;
    },
    report: () => runs.report(),
    async fetch(request) {
      try {
        return withHeaders(request, await answer(request));
      } catch (error) {
        return withHeaders(request, failure(error, request, environment));
      }
    },
    createSignInLink(origin) {
      if (!sessions) throw new TypeError("createSignInLink() needs the option token");
      return `${origin.replace(/\/$/, "")}${basePath}/?sign-in=${sessions.createCode()}`;
    },
  };
}

async function readPage(basePath: string): Promise<Page> {
  // Loaded when it is needed: test runners that make CommonJS of the sources could not.
  const { PAGE_FOLDER } = await import("./http/page-folder.ts");
  return Page.read(basePath, PAGE_FOLDER);
}

/** The path below the base path. Hosts may have taken the base path off. */
function withoutBase(pathname: string, basePath: string): string {
  if (basePath === "" || pathname === basePath) return basePath === "" ? pathname : "/";
  return pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length) : pathname;
}

function declaredBy(bus: EventBus): ReadonlyMap<string, DescribedEvent> {
  return new Map(bus.describeEvents().map((event) => [event.name, event]));
}

/** A plugin of the bus that has a name and a method. */
function found<Feature>(
  { plugins }: PluginContext,
  name: string,
  method: keyof Feature & string,
): Feature | undefined {
  const plugin = plugins.find((it) => it.name === name) as
    | (Plugin & Partial<Record<string, unknown>>)
    | undefined;
  return typeof plugin?.[method] === "function" ? (plugin as unknown as Feature) : undefined;
}
