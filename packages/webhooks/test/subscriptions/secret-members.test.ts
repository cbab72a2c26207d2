import type { JsonObject } from "@busbar/core/provider";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  joinSettings,
  keepSecrets,
  SECRET,
  splitSettings,
} from "../../src/subscriptions/secret-members.ts";

const secret = z.string().meta({ writeOnly: true });
interface Node {
  readonly token: string;
  readonly next?: Node | undefined;
}
const node: z.ZodType<Node> = z.strictObject({
  token: secret,
  get next(): z.ZodType<Node | undefined> {
    return node.optional();
  },
});
const schema = schemaOf(
  z.strictObject({
    timeoutMs: z.number().optional(),
    password: secret.nullable().optional(),
    auth: z
      .discriminatedUnion("type", [
        z.strictObject({ type: z.literal("basic"), user: z.string(), password: secret }),
        z.strictObject({ type: z.literal("bearer"), token: secret }),
      ])
      .optional(),
    headers: z.array(z.strictObject({ name: z.string(), value: secret })).optional(),
    keys: z.array(secret).optional(),
    named: z.record(z.string(), secret).optional(),
    pair: z.tuple([z.string(), secret]).optional(),
    chain: node.optional(),
    credentials: z.strictObject({ id: z.string() }).meta({ writeOnly: true }).optional(),
  }),
);

function schemaOf(type: z.ZodType): JsonObject {
  return z.toJSONSchema(type, { io: "input" }) as JsonObject;
}

const FULL = {
  timeoutMs: 5,
  password: "p-1",
  auth: { type: "basic", user: "u", password: "p-2" },
  headers: [
    { name: "A", value: "h-1" },
    { name: "B", value: "h-2" },
  ],
  keys: ["k-1", "k-2"],
  named: { one: "n-1", two: "n-2" },
  pair: ["shown", "p-3"],
  chain: { token: "c-1", next: { token: "c-2", next: { token: "c-3" } } },
  credentials: { id: "c-4" },
};
const SHOWN = {
  timeoutMs: 5,
  password: SECRET,
  auth: { type: "basic", user: "u", password: SECRET },
  headers: [
    { name: "A", value: SECRET },
    { name: "B", value: SECRET },
  ],
  keys: [SECRET, SECRET],
  named: { one: SECRET, two: SECRET },
  pair: ["shown", SECRET],
  chain: { token: SECRET, next: { token: SECRET, next: { token: SECRET } } },
  credentials: SECRET,
};

describe("settings", () => {
  test("are split from what is writeOnly, wherever it is", () => {
    const split = splitSettings(FULL, schema);
    expect(split.shown).toEqual(SHOWN);
    expect(split.secret).toHaveLength(13);
    expect(joinSettings(split)).toEqual(FULL);
  });

  test("that are null have nothing secret", () => {
    expect(splitSettings({ password: null }, schema)).toEqual({
      shown: { password: null },
      secret: [],
    });
  });

  test("with references are split without an end", () => {
    const self = { $ref: "#", type: "object", properties: { a: { writeOnly: true } } };
    expect(splitSettings({ a: 1, b: 2 }, self).shown).toEqual({ a: SECRET, b: 2 });
  });

  test("that come back as they were read have the secrets again", () => {
    const kept = keepSecrets(SHOWN, splitSettings(FULL, schema), schema);
    expect(kept).toEqual({ settings: FULL, issues: [] });
  });

  test("get new secrets where they say some", () => {
    const given = { ...SHOWN, password: "new", named: { two: SECRET, three: "n-3" } };
    const kept = keepSecrets(given, splitSettings(FULL, schema), schema);
    expect(kept.issues).toEqual([]);
    expect(kept.settings).toEqual({
      ...FULL,
      password: "new",
      named: { two: "n-2", three: "n-3" },
    });
  });

  test("keep the secret of an item that has moved, and of no other", () => {
    const stored = splitSettings(FULL, schema);
    const moved = { headers: [{ value: SECRET, name: "B" }] };
    expect(keepSecrets(moved, stored, schema).settings).toEqual({
      headers: [{ name: "B", value: "h-2" }],
    });
    const renamed = { headers: [{ name: "C", value: SECRET }] };
    expect(keepSecrets(renamed, stored, schema).issues).toEqual([
      { path: ["headers", 0, "value"], message: expect.stringContaining("must be the secret") },
    ]);
    // Which of the two keys is left?
    expect(keepSecrets({ keys: [SECRET] }, stored, schema).issues).toHaveLength(1);
  });

  test("need a secret where none is stored", () => {
    const { issues } = keepSecrets({ auth: { type: "bearer", token: SECRET } }, undefined, schema);
    expect(issues.map(({ path }) => path)).toEqual([["auth", "token"]]);
  });

  test("may say the same text where nothing is secret", () => {
    const given = { auth: { type: "basic", user: SECRET, password: "p" } };
    expect(keepSecrets(given, undefined, schema)).toEqual({ settings: given, issues: [] });
  });
});
