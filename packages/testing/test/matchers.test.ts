import { expect as jestExpect } from "expect";
import { describe, expect, test } from "vitest";
import { matchers as jestMatchers } from "../src/jest.ts";
import { testingProvider } from "../src/index.ts";
import type { TestingProvider } from "../src/index.ts";
import { matchers as vitestMatchers } from "../src/vitest.ts";
import { mail, startBus } from "./support/start-bus.ts";

expect.extend(vitestMatchers);
jestExpect.extend(jestMatchers);

async function happened(): Promise<TestingProvider> {
  const { bus, provider } = await startBus((bus) => {
    bus.subscribe("order.placed", () => {}, mail);
    bus.subscribe("order.placed", () => {}, { subscriberId: "stock" });
  });
  provider.failNext("mail");
  provider.failNext("stock", { error: new Error("no such product") });
  await bus.emit("order.placed", { orderId: "42", items: 1 });
  await bus.emit("user.created", { userId: "7" });
  await provider.drain();
  return provider;
}

/** The message of what is thrown, without colours. */
function messageOf(assertion: () => void): string {
  try {
    assertion();
  } catch (error) {
    // oxlint-disable-next-line no-control-regex
    return (error as Error).message.replaceAll(/\u001B\[\d+m/g, "");
  }
  throw new Error("The assertion has passed");
}

// Both have the same matchers, with types of their own.
const runners = [
  ["vitest", expect as unknown as typeof jestExpect],
  ["jest", jestExpect],
] as const;

describe.each(runners)("with the expect of %s", (_, expectOf) => {
  test("toHaveEmitted looks at name, pattern and data", async () => {
    const provider = await happened();
    expectOf(provider).toHaveEmitted("order.placed");
    expectOf(provider).toHaveEmitted("order.*", { orderId: "42", items: 1 });
    expectOf(provider).toHaveEmitted("*", expectOf.objectContaining({ userId: "7" }));
    expectOf(provider).not.toHaveEmitted("order.paid");
    expectOf(provider).not.toHaveEmitted("order.placed", { orderId: "43" });
  });

  test("toHaveEmitted shows the difference to the only candidate", async () => {
    const provider = await happened();
    const message = messageOf(() =>
      expectOf(provider).toHaveEmitted("order.placed", { orderId: "43", items: 1 }),
    );
    expect(message).toContain("expect(provider).toHaveEmitted(event, data)");
    expect(message).toMatch(/-\s+"orderId": "43"/);
    expect(message).toMatch(/\+\s+"orderId": "42"/);
  });

  test("toHaveEmitted lists what was emitted instead", async () => {
    const provider = await happened();
    expect(messageOf(() => expectOf(provider).toHaveEmitted("order.paid"))).toContain(
      "Emitted: order.placed, user.created",
    );
    expect(messageOf(() => expectOf(provider).not.toHaveEmitted("user.*"))).toMatch(
      /expect\(provider\)\.not\.toHaveEmitted.*Found:\n {2}user.created {"userId":"7"}/s,
    );
  });

  test("toHaveEmittedTimes counts", async () => {
    const provider = await happened();
    expectOf(provider).toHaveEmittedTimes("*", 2);
    expectOf(provider).toHaveEmittedTimes("order.paid", 0);
    expectOf(provider).not.toHaveEmittedTimes("order.placed", 2);
    expect(messageOf(() => expectOf(provider).toHaveEmittedTimes("order.*", 2))).toMatch(
      /Emitted 1 times\n {2}order.placed {"orderId":"42","items":1}/,
    );
  });

  test("toHaveDelivered looks at the outcome, which is acknowledged unless said otherwise", async () => {
    const provider = await happened();
    expectOf(provider).toHaveDelivered("mail");
    expectOf(provider).toHaveDelivered("mail", { attempt: 2, event: "order.placed" });
    expectOf(provider).toHaveDelivered("mail", { outcome: "failed", times: 1 });
    expectOf(provider).toHaveDelivered("mail", {
      data: expectOf.objectContaining({ orderId: "42" }),
    });
    expectOf(provider).not.toHaveDelivered("stock");
    expectOf(provider).not.toHaveDelivered("mail", { times: 2 });
  });

  test("toHaveDelivered lists the deliveries that there were", async () => {
    const provider = await happened();
    expect(messageOf(() => expectOf(provider).toHaveDelivered("mail", { attempt: 3 }))).toContain(
      [
        "Deliveries:",
        '  attempt 1 failed order.placed {"orderId":"42","items":1}: Injected failure',
        '  attempt 2 acknowledged order.placed {"orderId":"42","items":1}',
      ].join("\n"),
    );
    expect(messageOf(() => expectOf(provider).toHaveDelivered("sales"))).toContain(
      "It had no deliveries. Deliveries went to: mail, stock",
    );
  });

  test("toHaveDeadLetter looks at event, reason and error", async () => {
    const provider = await happened();
    expectOf(provider).toHaveDeadLetter("stock");
    expectOf(provider).toHaveDeadLetter("stock", { reason: "failed", error: /^no such/ });
    expectOf(provider).toHaveDeadLetter("stock", { event: "order.placed", error: "product" });
    expectOf(provider).not.toHaveDeadLetter("stock", { reason: "permanent" });
    expectOf(provider).not.toHaveDeadLetter("stock", { data: {} });
    expectOf(provider).not.toHaveDeadLetter("mail");
    expect(messageOf(() => expectOf(provider).not.toHaveDeadLetter("stock"))).toContain(
      'attempt 1 dead (failed) order.placed {"orderId":"42","items":1}: no such product',
    );
  });

  test("something else than a testing provider is a mistake", () => {
    expect(() => expectOf({}).toHaveEmitted("order.placed")).toThrow(
      "toHaveEmitted takes a testingProvider",
    );
    expect(() => expectOf(undefined).not.toHaveDelivered("mail")).toThrow(TypeError);
  });
});

test("the matchers of vitest have their types", () => {
  expect(testingProvider()).not.toHaveEmitted("order.placed", { orderId: "42" });
  // @ts-expect-error a name is a string
  expect(testingProvider()).not.toHaveEmittedTimes("order.placed", "2");
  // @ts-expect-error no such outcome
  expect(testingProvider()).not.toHaveDelivered("mail", { outcome: "lost" });
});
