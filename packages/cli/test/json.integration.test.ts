import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { outbox } from "@busbar/outbox";
import { defineAsyncEvents, webhooks } from "@busbar/webhooks";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { commandsOf, quietProgram } from "./support/commands.ts";
import { type CliOptions, type CliRun, runCli } from "./support/run-cli.ts";
import { startShop, useShop } from "./support/shop.ts";
import { storeOf } from "./support/store.ts";

/** Commands that run until they are ended, and write no document at the end. */
const ENDLESS = ["worker", "tail", "webhooks listen", "dashboard", "dev"];

const tried = new Set<string>(ENDLESS);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "busbar-cli-"));
});

/** Runs a command with `--json`: its output is one document, and what it has to say next to it is JSON as well. */
async function json(
  command: string,
  argv: readonly string[] = [],
  options: CliOptions = {},
): Promise<CliRun> {
  tried.add(command);
  const result = await runCli([...command.split(" "), ...argv, "--json"], options);
  const { code, stderr } = result;
  expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: "" });
  expect(() => result.json(), `${command}: ${result.stdout}`).not.toThrow();
  return result;
}

test("commands on the provider write one JSON document", async () => {
  const bus = await startShop(useShop(), (it) =>
    it.subscribe(
      "order.*",
      ({ name }) => {
        if (name === "order.lost") throw new Error("The van is gone");
      },
      { subscriberId: "send-receipt" },
    ),
  );
  await bus.emit(["1", "2"].map((data) => ({ name: "order.lost", data })));
  await bus.settled();
  for (const command of ["health", "doctor", "subscriptions list"]) await json(command);
  const [letter] = (await json("dead list")).json() as { id: string }[];
  await json("dead show", ["send-receipt", letter!.id]);
  await json("dead replay", ["-s", "send-receipt", "--id", letter!.id, "--yes"]);
  await bus.settled();
  await json("dead discard", ["--all", "--yes"]);
  await json("subscriptions pause", ["send-receipt"]);
  await json("subscriptions resume", ["send-receipt"]);
  const emitted = await json("emit", ["order.placed", "{}", "--delay", "3600000"]);
  await json("subscriptions waiting", ["send-receipt"]);
  await json("events explain", ["order.placed"]);
  await json("cancel", [(emitted.json() as { id: string }).id]);
  await bus.schedules.set("nightly", { cron: "0 2 * * *", event: "order.placed", data: {} });
  await json("schedules list");
  for (const command of ["show", "pause", "resume", "trigger"]) {
    await json(`schedules ${command}`, ["nightly"]);
  }
  await json("schedules remove", ["nightly", "--yes"]);
  await json("subscriptions drain", ["send-receipt", "--yes"]);
  await json("subscriptions retire", ["send-receipt", "--yes"]);
});

test("commands on the catalogue write one JSON document", async () => {
  process.env["RELEASE"] = "first";
  const project = "catalogue";
  const file = ["--file", join(folder, "busbar.events.json")];
  await json("events list", [], { project });
  await json("events asyncapi", [], { project });
  await json("events asyncapi", ["--out", join(folder, "asyncapi.json")], { project });
  await json("events snapshot", file, { project });
  await json("events check", file, { project });
  useShop();
  await json("events diff");
});

test("commands on the outbox write one JSON document", async () => {
  process.env["OUTBOX_FILE"] = join(folder, "outbox.db");
  const project = "outbox";
  await json("outbox migrate", [], { project });
  await json("outbox status", [], { project });
  const store = storeOf(process.env["OUTBOX_FILE"]);
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [outbox({ store, relay: false })],
    logger: false,
  });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  await bus.start();
  await store.transaction((tx) => bus.withTransaction(tx).emit("order.placed", 1));
  await store.execute("UPDATE busbar_outbox SET state = 'failed', error = 'Far too large'");
  await json("outbox retry", ["--yes"], { project });
});

test("commands on webhooks write one JSON document", async () => {
  process.env["HOOKS_FILE"] = join(folder, "hooks.db");
  const project = "hooks";
  const hooks = webhooks({
    events: defineAsyncEvents({ "order.placed": {} }),
    store: storeOf(process.env["HOOKS_FILE"]),
    encryptionKeys: [{ id: "1", key: Buffer.alloc(32, 7) }],
    http: { allow: ["127.0.0.0/8"], allowHttp: true },
  });
  const bus = createEventBus({ provider: localProvider(), plugins: [hooks], logger: false });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  await bus.start();
  // Nobody answers there.
  const destination = "http://127.0.0.1:1";
  await hooks.subscriptions.create({ events: ["order.**"], destination });
  await hooks.publish("order.placed", {});
  const log = async (): Promise<readonly { id: string }[]> =>
    (await hooks.log.deliveries({})).items;
  await expect.poll(log).toHaveLength(1);
  const [delivery] = await log();
  await json("webhooks list", [], { project });
  await json("webhooks log", [], { project });
  await json("webhooks show", [delivery!.id], { project });
  await json("webhooks replay", ["--id", delivery!.id, "--yes"], { project });
});

test.each(["bash", "zsh", "fish"])("the completion for %s is in a JSON document", async (shell) => {
  const { stdout } = await runCli(["completion", shell]);
  const { json: read } = await json("completion", [shell]);
  expect(read()).toEqual({ shell, script: stdout.trimEnd() });
});

test.each(["app", "provider", "notifier"])(
  "busbar create %s writes one JSON document",
  async (kind) => {
    const directory = join(folder, kind);
    await json(`create ${kind}`, [directory, "--name", `shop-${kind}`, "--no-install", "--yes"]);
  },
);

test("a wrong command line is one line of JSON", async () => {
  for (const argv of [
    ["emit", "--json"],
    ["--json", "helth"],
    ["dead", "--jsn", "list", "--json"],
  ]) {
    const { code, stdout, stderr } = await runCli(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.trimEnd()).not.toContain("\n");
    expect(JSON.parse(stderr)).toMatchObject({
      error: { message: expect.stringMatching(/^(missing|unknown) /) },
    });
  }
});

test("each command that ends by itself is above", () => {
  expect(
    commandsOf(quietProgram())
      .map(([path]) => path)
      .filter((path) => !tried.has(path)),
  ).toEqual([]);
});
