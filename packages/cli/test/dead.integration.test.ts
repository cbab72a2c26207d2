import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventBus } from "@busbar/core";
import { beforeEach, describe, expect, test } from "vitest";
import { runCli } from "./support/run-cli.ts";
import { startShop, useShop } from "./support/shop.ts";

describe("busbar dead", () => {
  let bus: EventBus;
  let received: unknown[];
  let fails: boolean;

  beforeEach(async () => {
    fails = true;
    received = [];
    bus = await startShop(useShop(), (it) =>
      it.subscribe(
        "order.*",
        ({ data }) => {
          if (fails) throw new Error("The printer is on fire");
          received.push(data);
        },
        { subscriberId: "send-receipt" },
      ),
    );
    await bus.emit([
      { name: "order.placed", data: { orderId: "1" } },
      { name: "order.placed", data: { orderId: "2" } },
      { name: "order.shipped", data: { orderId: "3" } },
    ]);
    await bus.settled();
    fails = false;
  });

  test("lists what matches, as a table and as JSON", async () => {
    const { stdout, code } = await runCli(["dead", "list", "-s", "send-receipt"]);
    expect(code).toBe(0);
    expect(stdout.split("\n")[0]).toMatch(/^SUBSCRIPTION +ID +EVENT +DIED +REASON +ERROR$/);
    expect(stdout).toMatch(
      /send-receipt +\S+ +order.shipped +\d+ m?s ago +failed +Error: The printer/,
    );
    const { json } = await runCli(["dead", "list", "--event", "order.placed", "--json"]);
    expect(json()).toMatchObject([{ event: { data: { orderId: "1" } } }, { attempts: 1 }]);
    const page = await runCli(["dead", "list", "--limit", "2"]);
    expect(page.stdout.trim().split("\n")).toHaveLength(3);
    expect(page.stderr).toContain("There may be more");
  });

  test("ends with 3 where nothing matches or nobody knows the subscription", async () => {
    expect(await runCli(["dead", "list", "--error", "ECONNREFUSED"])).toMatchObject({ code: 3 });
    const { code, stderr } = await runCli(["dead", "list", "-s", "send-recept"]);
    expect(code).toBe(3);
    expect(stderr).toContain('did you mean "send-receipt"?');
    expect(await runCli(["dead", "show", "send-receipt", "nope"])).toMatchObject({ code: 3 });
  });

  test("shows the event and its errors with their stacks", async () => {
    const [letter] = (await bus.deadLetters.list()).items;
    const { stdout } = await runCli(["dead", "show", "send-receipt", letter!.id]);
    expect(stdout).toContain('"orderId": "1"');
    expect(stdout).toMatch(/Error: The printer is on fire\n +at .*dead\.integration\.test/);
    const { json } = await runCli(["dead", "show", "send-receipt", letter!.id, "--json"]);
    expect(json()).toMatchObject({ id: letter!.id, reason: "failed" });
  });

  test("replays what a filter selects, after a question", async () => {
    const argv = ["dead", "replay", "--event", "order.placed"];
    expect(await runCli(argv)).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
    expect(await runCli(argv, { answer: "n" })).toMatchObject({ code: 1 });
    expect(received).toEqual([]);
    const { code, stdout, stderr } = await runCli(argv, { answer: "y", isTTY: true });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "2 dead letters replayed.\n" });
    expect(stderr).toContain("[####################] 3 of 3 looked at, 2 replayed");
    await expect.poll(() => received).toEqual([{ orderId: "1" }, { orderId: "2" }]);
    expect(await bus.deadLetters.count()).toBe(1);
  });

  test("an interrupted replay says what was done, and ends with 1", async () => {
    fails = true;
    await bus.emit(Array.from({ length: 230 }, (_, data) => ({ name: "order.lost", data })));
    await bus.settled();
    fails = false;
    for (const [action, done] of [
      ["replay", "replayed"],
      ["discard", "discarded"],
    ]) {
      const all = await bus.deadLetters.count();
      const told = new AbortController();
      const { code, stdout } = await runCli(["dead", action!, "--all", "--yes"], {
        isTTY: true,
        signal: told.signal,
        onError: (text) => text.includes("looked at") && told.abort(),
      });
      expect({ code, stdout }).toEqual({
        code: 1,
        stdout: `Interrupted after 100 of ${all} dead letters: 100 dead letters ${done}.\n`,
      });
      expect(await bus.deadLetters.count()).toBe(all - 100);
    }
  });

  test("says how many ids it has not found, and ends with 1", async () => {
    const [letter] = (await bus.deadLetters.list()).items;
    const argv = ["dead", "discard", "--yes", "-s", "send-receipt", "--id", letter!.id, "gone"];
    const { code, stdout } = await runCli(argv);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "1 dead letter discarded, of 2 ids.\n" });
  });

  test("replays one event with other data", async () => {
    const [letter] = (await bus.deadLetters.list()).items;
    const file = join(await mkdtemp(join(tmpdir(), "busbar-cli-")), "data.json");
    await writeFile(file, '{"orderId":"repaired"}');
    const argv = ["dead", "replay", "--data", file, "--yes", "-s", "send-receipt"];
    expect(await runCli(argv)).toMatchObject({ code: 2 });
    expect(await runCli([...argv, "--id", letter!.id])).toMatchObject({ code: 0 });
    await expect.poll(() => received).toEqual([{ orderId: "repaired" }]);
  });

  test("discards by ids, by a filter or all, and never without a word of which", async () => {
    const [letter] = (await bus.deadLetters.list()).items;
    const discard = (...argv: string[]) => runCli(["dead", "discard", "--yes", "--json", ...argv]);
    expect(await discard()).toMatchObject({ code: 2 });
    expect(await discard("--id", letter!.id)).toMatchObject({ code: 2 });
    const byId = await discard("--id", letter!.id, "-s", "send-receipt");
    expect(byId.json()).toMatchObject({ done: 1 });
    expect((await discard("--event", "order.shipped")).json()).toMatchObject({
      matched: 1,
      done: 1,
    });
    expect((await discard("--all")).json()).toMatchObject({ done: 1 });
    expect(await discard("--all")).toMatchObject({ code: 3 });
    expect(received).toEqual([]);
  });
});
