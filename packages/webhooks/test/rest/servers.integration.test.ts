import { execFile } from "node:child_process";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { getRequestListener } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { createRestHandler, type RestHandler } from "../../src/rest/rest-handler.ts";
import { memoryServices } from "./support/memory-services.ts";

const TOKEN = "a-token-for-everything";
const run = promisify(execFile);

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

type Listener = ReturnType<typeof getRequestListener> | RequestListener;

async function serve(listener: Listener): Promise<string> {
  const server = createServer((request, response) => void listener(request, response)).listen(
    0,
    "127.0.0.1",
  );
  servers.push(server);
  await new Promise((resolve) => server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function handlerOf(basePath = ""): RestHandler {
  const tokens = [{ name: "admin", token: TOKEN, permissions: ["webhooks"] }];
  return createRestHandler(memoryServices(), { tokens, basePath });
}

/** A line of a shell, as a reader types it. */
async function shell(line: string): Promise<unknown> {
  const { stdout } = await run("bash", ["-c", `${line} --silent --show-error`]);
  return JSON.parse(stdout);
}

describe("the commands of the announcement of Mage-OS Async Events", () => {
  test("work as they are written, but for host and token", async () => {
    const host = await serve(getRequestListener(handlerOf()));
    const created = await shell(`curl --request POST '${host}/rest/V1/async_event' \\
--header 'Authorization: Bearer ${TOKEN}' \\
--header 'Content-Type: application/json' \\
--data-raw '{
    "asyncEvent": {
        "event_name": "sales.order.created",
        "recipient_url": "https://example.com/order_created",
        "verification_token": "sha-signing-secret",
        "metadata": "http"
    }
}'`);
    expect(created).toMatchObject({
      event_name: "sales.order.created",
      recipient_url: "https://example.com/order_created",
      metadata: "http",
      status: true,
    });
    // This one has no content type, and spells the notifier so.
    const toEventBridge = await shell(`curl --request POST '${host}/rest/V1/async_event' \\
--header 'Authorization: Bearer ${TOKEN}' \\
--data-raw '{
    "asyncEvent": {
        "event_name": "sales.order.created",
        "recipient_url": "arn:aws:events:ap-southeast-2:005158166381:rule/Test.EventBridge.Rule",
        "verification_token": "sha-signing-secret",
        "metadata": "amazon-eventbrige"
    }
}'`);
    expect(toEventBridge).toMatchObject({ metadata: "eventbridge", status: true });
  });
});

/** As the reference page shows it. */
async function serveWithFastify(): Promise<string> {
  const listener = getRequestListener(handlerOf("/webhooks"));
  const app = fastify();
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _body, done) => done(null));
    scope.all("/webhooks/*", async (request, reply) => {
      reply.hijack();
      await listener(request.raw, reply.raw);
    });
  });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  servers.push(app.server);
  return address;
}

describe.each([
  ["Fastify", serveWithFastify],
  ["node:http", () => serve(getRequestListener(handlerOf("/webhooks")))],
  [
    "Express",
    () => serve(express().use("/webhooks", getRequestListener(handlerOf())) as RequestListener),
  ],
])("on %s", (_, start) => {
  test("requests and answers arrive whole", async () => {
    const host = await start();
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    const url = `${host}/webhooks/subscriptions`;
    const body = JSON.stringify({
      events: ["order.placed"],
      destination: "https://example.com",
      label: "Bücher €",
    });
    const created = await fetch(url, { method: "POST", headers, body });
    expect(created.status).toBe(201);
    const { id } = (await created.json()) as { id: string };
    const one = new URL(created.headers.get("location")!, url);
    expect(one.pathname).toBe(`/webhooks/subscriptions/${id}`);
    const read = await fetch(one, { headers });
    expect(await read.json()).toMatchObject({ id, label: "Bücher €" });
    expect((await fetch(`${host}/webhooks/openapi.json`)).status).toBe(200);
    expect((await fetch(url)).status).toBe(401);
    const exported = await fetch(`${host}/webhooks/attempts/export`, { headers });
    expect(await exported.text()).toBe("id,success\r\n7,true\r\n");
  });

  test("a body that is too large is refused", async () => {
    const host = await start();
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    const refused = await fetch(`${host}/webhooks/subscriptions`, {
      method: "POST",
      headers,
      body: `"${"x".repeat(300_000)}"`,
    });
    expect(refused.status).toBe(413);
  });
});
