import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Parser } from "@asyncapi/parser";
import { defineEvents, type EventCatalogue } from "@busbar/core";
import { type } from "arktype";
import * as v from "valibot";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { checkEvents } from "../src/events/check-events.ts";
import { describeCatalogue } from "../src/events/describe-events.ts";
import { snapshotOf } from "../src/events/snapshot.ts";
import { fixture, runCli, type CliRun } from "./support/run-cli.ts";

const project = "catalogue";
const events = (...argv: string[]): Promise<CliRun> => runCli(["events", ...argv], { project });

describe("busbar events", () => {
  let file: string;

  beforeEach(async () => {
    process.env["RELEASE"] = "first";
    file = join(await mkdtemp(join(tmpdir(), "busbar-cli-")), "busbar.events.json");
  });

  test("lists the events of the catalogue with who takes them", async () => {
    const { stdout } = await events("list");
    expect(stdout).toMatch(/^category.changed +yes +none$/m);
    expect(stdout).toMatch(/^order.placed +yes +send-receipt$/m);
    expect(await runCli(["events", "list"], { project: "memory" })).toMatchObject({ code: 3 });
  });

  test("passes what adds something, in both directions", async () => {
    expect(await events("snapshot", "--file", file)).toMatchObject({ code: 0 });
    expect(await events("check", "--file", file)).toMatchObject({
      code: 0,
      stdout: "Nothing breaks: 0 added, 0 changed, 0 removed.\n",
    });
    process.env["RELEASE"] = "compatible";
    const { code, json } = await events("check", "--file", file, "--json");
    expect(code).toBe(0);
    expect(json()).toEqual({
      ok: true,
      added: ["order.shipped"],
      changed: ["order.placed"],
      removed: [],
      findings: [],
    });
  });

  test("fails on what breaks queued events or subscribers, and does not accept it unasked", async () => {
    await events("snapshot", "--file", file);
    const before = await readFile(file, "utf8");
    process.env["RELEASE"] = "breaking";
    const { code, stdout } = await events("check", "--file", file);
    expect(code).toBe(1);
    expect(stdout).toBe(
      [
        "mail/sent",
        "  breaks subscribers of the last release: $ is not in the catalogue any more",
        "order.placed",
        "  breaks queued events: $.email may be absent, and is required",
        "",
      ].join("\n"),
    );
    const refused = await events("snapshot", "--file", file);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--accept") });
    expect(await readFile(file, "utf8")).toBe(before);
    expect(await events("snapshot", "--file", file, "--accept")).toMatchObject({ code: 0 });
    expect(await events("check", "--file", file)).toMatchObject({ code: 0 });
  });

  test("says what is wrong with a snapshot, and that there is none", async () => {
    expect(await events("check", "--file", file)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("busbar events snapshot"),
    });
    for (const text of ["{", "[]", '{"version":2,"events":{}}', '{"version":1,"events":{"a":1}}']) {
      await writeFile(file, text);
      expect(await events("check", "--file", file)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("is not a snapshot of events"),
      });
    }
  });

  test("describes the events as AsyncAPI that the official parser accepts", async () => {
    const { stdout } = await events("asyncapi");
    const { document, diagnostics } = await new Parser().parse(stdout);
    expect(diagnostics.filter(({ severity }) => severity === 0)).toEqual([]);
    expect(document?.info().title()).toBe("catalogue");
    expect(document?.info().version()).toBe("2.1.0");
    const channels = document!.channels().all();
    expect(channels.map((it) => it.address())).toEqual([
      "category.changed",
      "mail/sent",
      "order.placed",
    ]);
    const category = document!.schemas().get("category.changed");
    expect(category?.properties()?.["children"]?.items()).toMatchObject({});
    expect(await readFile(join(fixture(project), "package.json"), "utf8")).toContain("2.1.0");
    const out = join(file, "..", "asyncapi.json");
    expect(await events("asyncapi", "--out", out)).toMatchObject({ code: 0 });
    expect(await readFile(out, "utf8")).toBe(stdout);
  });
});

describe("checkEvents", () => {
  const catalogue = defineEvents({ a: z.object({ id: z.string().startsWith("x") }) });

  test("has the code's own validation judge the examples of the last release", async () => {
    const before = { a: { examples: [{ id: "x1" }, { id: "y1" }] } };
    const { findings } = await checkEvents(before, { a: {} }, catalogue);
    expect(findings).toMatchObject([
      { kind: "unknown", message: expect.stringContaining("no schema") },
      { kind: "breaks", affects: "queued", message: expect.stringContaining("in example 2") },
    ]);
  });

  test("takes an event without a schema for one that may be anything", async () => {
    const schema = { type: "string" };
    const lost = await checkEvents({ a: { schema } }, { a: {} }, undefined);
    expect(lost.findings).toMatchObject([{ affects: "subscribers", kind: "breaks" }]);
    const gained = await checkEvents({ a: {} }, { a: { schema } }, undefined);
    expect(gained.findings).toMatchObject([{ affects: "queued", kind: "breaks" }]);
  });

  const sku = v.variant("kind", [
    v.object({ kind: v.literal("book"), isbn: v.string() }),
    v.object({ kind: v.literal("pen"), colour: v.string() }),
  ]);
  type Schema = EventCatalogue<object>["schemas"][string];
  test.each<{ library: string; before: Schema; wider: Schema; narrower: Schema }>([
    {
      library: "valibot",
      before: v.object({ id: v.string(), lines: v.array(sku) }),
      wider: v.object({ id: v.string(), lines: v.array(sku), note: v.optional(v.string()) }),
      narrower: v.object({ id: v.pipe(v.string(), v.minLength(1)), lines: v.array(sku) }),
    },
    {
      library: "arktype",
      before: type({ id: "string", lines: type({ kind: "'book' | 'pen'" }).array() }),
      wider: type({
        id: "string",
        lines: type({ kind: "'book' | 'pen'" }).array(),
        "note?": "string",
      }),
      narrower: type({ id: "string > 0", lines: type({ kind: "'book' | 'pen'" }).array() }),
    },
  ])("compares schemas of $library", async ({ before, wider, narrower }) => {
    // The converter of valibot is looked for in the project.
    vi.spyOn(process, "cwd").mockReturnValue(join(import.meta.dirname, ".."));
    onTestFinished(() => void vi.restoreAllMocks());
    const of = (schema: Schema) =>
      snapshotOf(describeCatalogue({ events: defineEvents({ "order.placed": schema }) }));
    const first = of(before);
    expect(first["order.placed"]?.schema).toBeDefined();
    expect((await checkEvents(first, of(before), undefined)).findings).toEqual([]);
    expect((await checkEvents(first, of(wider), undefined)).findings).toEqual([]);
    expect((await checkEvents(first, of(narrower), undefined)).findings).toMatchObject([
      {
        affects: "queued",
        kind: "breaks",
        path: "$.id",
        message: "may have fewer than 1 characters",
      },
    ]);
  });
});
