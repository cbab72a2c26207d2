import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp } from "@busbar/core";
import { asValue } from "@busbar/core/container";
import { testingProvider } from "@busbar/testing";
import { events } from "../src/events.ts";
import type { Mail } from "../src/mailer.ts";
import * as sendReceipt from "../src/subscribers/send-receipt.ts";

const order = { orderId: "42", customer: "ada@example.com", totalCents: 1_200 };

/** An application on virtual time, with a mailer that remembers what it has sent. */
async function start() {
  const provider = testingProvider({ events });
  const sent: Mail[] = [];
  const mailer = { send: async (mail: Mail) => void sent.push(mail) };
  const app = await createApp(
    {
      events,
      modules: [{ resolve: provider }],
      subscribers: { modules: { "send-receipt": sendReceipt } },
      services: { mailer: asValue(mailer) },
      logger: false,
    },
    { signals: false },
  );
  await app.start();
  return { app, provider, sent };
}

test("a customer gets a receipt", async () => {
  const { app, provider, sent } = await start();
  await app.bus.emit("order.placed", order);
  await provider.drain();
  assert.deepEqual(
    sent.map(({ to, text }) => ({ to, text })),
    [{ to: "ada@example.com", text: "receipt for order 42 over 12.00" }],
  );
  await app.stop();
});

test("a receipt that fails is sent later, with the same key", async () => {
  const { app, provider, sent } = await start();
  provider.crashNext("send-receipt");
  await app.bus.emit("order.placed", order);
  await provider.drain();
  assert.equal(sent.length, 2);
  assert.equal(sent[0]?.key, sent[1]?.key);
  await app.stop();
});
