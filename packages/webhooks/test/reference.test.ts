import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { OPERATIONAL_EVENTS } from "../src/catalogue/operational-events.ts";
import { ERROR_CLASSES } from "../src/contract/notifier.ts";
import { STATES } from "../src/search/fields.ts";
import { newSubscriptionSchema } from "../src/subscriptions/schema.ts";

const deliveries = await pageOf("webhook-deliveries");
const webhooks = await pageOf("webhooks");
const subscriptions = await pageOf("webhook-subscriptions");

async function pageOf(name: string): Promise<string> {
  return readFile(new URL(`../../../docs/reference/${name}.md`, import.meta.url), "utf8");
}

/** The rows of the first table below a heading, each as its cells, without the head. */
function tableOf(page: string, heading: string): string[][] {
  const section = page.split(/^##+ /m).find((it) => it.startsWith(`${heading}\n`)) ?? "";
  const rows = /(?:^\|.*\|\n?)+/m.exec(section)?.[0].trim().split("\n") ?? [];
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function codesIn(rows: readonly string[][]): string[] {
  return rows.map(([cell = ""]) => cell.replaceAll("`", "")).toSorted();
}

/** A value as the page has it: `{ type: "standard" }`. */
function inWords(value: unknown): string {
  return JSON.stringify(value).replaceAll(/\{"(\w+)":(.*)\}/g, "{ $1: $2 }");
}

describe("the reference of webhooks", () => {
  test("lists every state, class of errors and operational event", () => {
    expect(codesIn(tableOf(deliveries, "States"))).toEqual(STATES.toSorted());
    expect(codesIn(tableOf(deliveries, "Error classes"))).toEqual(ERROR_CLASSES.toSorted());
    const events = Object.keys(OPERATIONAL_EVENTS).toSorted();
    expect(codesIn(tableOf(webhooks, "Operational events"))).toEqual(events);
  });

  test("says the default of each setting of a subscription", () => {
    const given = { events: ["order.placed"], destination: "https://shop.example" };
    const defaults = Object.entries({ ...newSubscriptionSchema.parse(given), secret: undefined });
    const documented = tableOf(subscriptions, "Settings").map(([name = "", value = ""]) => [
      name.replaceAll("`", ""),
      value.replaceAll("`", ""),
    ]);
    const expected = defaults.map(([name, value]) => [
      name,
      name in given ? "" : name === "secret" ? "made at random" : inWords(value),
    ]);
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(expected));
  });
});
