import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type App, type BusbarConfig, createApp, loadConfig, type Logger } from "@busbar/core";
import { safeError } from "@busbar/core/provider";
import { logTo } from "../project/log-to.ts";
import { createPrinter } from "../output/printer.ts";
import { printable } from "../output/text.ts";
import { processIo } from "../process-io.ts";
import { endsWithin } from "../wait-for.ts";
import { type DevEntry, entryLine } from "./dev-entry.ts";
import type { DevCommand, DevOptions, DevReport } from "./dev-options.ts";
import { createRepeater } from "./twice.ts";
import { createWarnings } from "./warnings.ts";
import { watchEvents } from "./watch-events.ts";

/** Milliseconds that the process may take to end after its grace. Whatever still hangs then is given up. */
const LEFT_MS = 1_000;

/** What a module of the application exports that `busbar dev` is to run. Returns a function that ends it. */
type Run = (app: App) => unknown;

// The process of an application under `busbar dev`. Its parent watches files, and says what to do.
const options = JSON.parse(process.argv[2]!) as DevOptions;
const io = processIo(new AbortController().signal);
const printer = createPrinter(io, options);
const report = (message: DevReport): void => void process.send?.(message);

const write = (entry: DevEntry): void => {
  const time = new Date();
  printer.entry({ at: time, ...entry }, () => entryLine(entry, time, printer.paint));
};

// A terminal sends Ctrl-C to this process as well. The parent says when to stop.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
process.env["NODE_ENV"] ??= "development";
let stop = async (_graceMs: number): Promise<void> => {};
let ending: Promise<void> | undefined;
function end(graceMs: number): void {
  // Also if the application ends already: without its parent, nobody else would end a process that hangs.
  setTimeout(() => fail(new Error("The application did not end in time")), graceMs + LEFT_MS);
  ending ??= stop(graceMs).then(leave, fail);
}
process.on("disconnect", () => end(0));
process.on("message", (command: DevCommand) => {
  if (command.type === "stop") end(command.graceMs);
});
await start().catch(fail);

async function start(): Promise<void> {
  const folder = dirname(options.config);
  const environment = join(folder, ".env");
  if (existsSync(environment)) process.loadEnvFile(environment);
  const { config, root } = await loadConfig({ file: options.config, root: folder });
  const repeater = createRepeater();
  const plugins = config.plugins ?? [];
  const warnings = createWarnings({
    warn: (message) => write({ type: "warning", message }),
    catalogue: config.events,
    declared: () => plugins.flatMap(declaredBy),
    slowMs: options.slowMs,
  });
  const app = await createApp<never>(
    {
      ...(config as BusbarConfig<never>),
      plugins: [...plugins, watchEvents({ write, warnings, repeater, root })],
    },
    {
      root,
      signals: false,
      logger: config.logger ?? withoutRuns(logTo({ io, printer, options })),
      ...(options.twice && { wrapProvider: (provider) => repeater.wrap(provider) }),
    },
  );
  let endModule: unknown;
  stop = async (graceMs) => {
    // Handlers have half of the time for themselves: the end of a module may hang.
    const halfMs = Math.floor(graceMs / 2);
    if (
      typeof endModule === "function" &&
      !(await endsWithin(endModule as () => unknown, halfMs))
    ) {
      tell(new Error(`${options.module} did not end within ${halfMs} ms, and is left to itself`));
    }
    await app.stop({ graceMs: halfMs });
  };
  await app.start();
  if (options.module !== undefined) endModule = await runModule(options.module, app);

  const inspect = async (): Promise<string> => {
    const { provider, subscriptions } = await app.bus.inspect();
    const here = subscriptions.filter((it) => it.here);
    warnings.subscribed(here);
    const count = `${here.length} subscription${here.length === 1 ? "" : "s"}`;
    return `${config.name ?? "The application"} runs ${count} on provider ${provider}`;
  };
  printer.note(await inspect());
  process.on("message", (command: DevCommand) => {
    if (command.type === "reload") void reload(app).then(inspect).catch(tell);
  });
  report({ type: "ready", folders: foldersOf(config, root) });
}

async function reload(app: App): Promise<void> {
  const changes = await app.reloadSubscribers();
  if (Object.values(changes).some((ids) => ids.length > 0)) write({ type: "reloaded", ...changes });
}

async function runModule(file: string, app: App): Promise<unknown> {
  const exports = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  if (typeof exports.default === "function") return (exports.default as Run)(app);
  throw new TypeError(
    `${file} has no function as its default export, such as \`export default (app) => …\``,
  );
}

/** The folders that subscribers are loaded from. */
function foldersOf({ subscribers = [] }: BusbarConfig, root: string): string[] {
  return [subscribers].flat().flatMap((source) => {
    if (typeof source === "object" && "modules" in source) return [];
    const folder = String(
      typeof source === "object" && "folder" in source ? source.folder : source,
    );
    return [folder.startsWith("file:") ? fileURLToPath(folder) : resolve(root, folder)];
  });
}

/** A plugin that declares events, as webhooks do. */
interface DeclaringPlugin {
  readonly catalogue: { entries?(): readonly { readonly name: string }[] };
}

function declaredBy(plugin: object): readonly string[] {
  const { catalogue } = plugin as Partial<DeclaringPlugin>;
  return catalogue?.entries?.().map(({ name }) => name) ?? [];
}

/** A logger that leaves out what is written as an entry: runs that have failed, and dead letters. */
function withoutRuns(logger: Logger): Logger {
  const without =
    (level: "warn" | "error"): Logger["warn"] =>
    (fields, message) => {
      if (!("subscriberId" in fields && "attempt" in fields)) logger[level](fields, message);
    };
  return { ...logger, warn: without("warn"), error: without("error") };
}

function tell(error: unknown): void {
  const { message } = safeError(error);
  if (options.json) io.stderr.write(`${printable(JSON.stringify({ error: { message } }))}\n`);
  else printer.note(`${printer.paint("red", "error:")} ${printable(message)}`);
}

function leave(): void {
  process.exit(0);
}

function fail(error: unknown): void {
  tell(error);
  process.exit(1);
}
