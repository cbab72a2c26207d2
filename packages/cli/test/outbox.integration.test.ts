import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { outbox } from "@busbar/outbox";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { runCli, type CliOptions, type CliRun } from "./support/run-cli.ts";
import { storeOf } from "./support/store.ts";

describe("busbar outbox", () => {
  let file: string;

  beforeEach(async () => {
    file = join(await mkdtemp(join(tmpdir(), "busbar-cli-")), "outbox.db");
    process.env["OUTBOX_FILE"] = file;
  });

  const cli = (argv: readonly string[], options: CliOptions = {}): Promise<CliRun> =>
    runCli(["outbox", ...argv], { project: "outbox", ...options });

  test("migrates the tables, and does nothing where they are up to date", async () => {
    expect(await cli(["status"])).toMatchObject({ code: 1 });
    expect((await cli(["migrate", "--json"])).json()).toMatchObject({ applied: [1] });
    expect(await cli(["migrate"])).toMatchObject({
      code: 0,
      stdout: "The tables were up to date.\n",
    });
    expect((await cli(["status", "--json"])).json()).toMatchObject({ pending: 0, refused: [] });
  });

  test("shows what waits and what was refused, and has it published again", async () => {
    const store = storeOf(file);
    const plugin = outbox({ store, relay: false });
    const bus = createEventBus({ provider: localProvider(), plugins: [plugin], logger: false });
    onTestFinished(() => bus.stop({ graceMs: 0 }));
    await bus.start();
    await store.transaction((tx) =>
      bus.withTransaction(tx).emit("order.placed", { orderId: "42" }),
    );
    await store.execute("UPDATE busbar_outbox SET state = 'failed', error = 'Far too large'");
    await store.transaction((tx) => bus.withTransaction(tx).emit("order.shipped", 1));
    const { code, stdout } = await cli(["status"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^pending {2}1, the oldest \d+ m?s ago$/m);
    expect(stdout).toMatch(/order\.placed .* Far too large$/m);
    expect(await cli(["retry"])).toMatchObject({ code: 2 });
    expect(await cli(["retry"], { answer: "y" })).toMatchObject({ code: 0 });
    expect(await cli(["retry", "--yes"])).toMatchObject({ code: 3 });
    expect(await plugin.inspect()).toMatchObject({ pending: 2, failed: 0 });
  });

  test("says what is missing where the configuration has no outbox", async () => {
    const { code, stderr } = await cli(["status"], { project: "memory" });
    expect(code).toBe(4);
    expect(stderr).toContain("Add outbox() of @busbar/outbox to `plugins`");
  });
});
