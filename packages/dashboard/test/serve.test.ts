import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { afterEach, describe, expect, test, vi } from "vitest";
import { EventStreams } from "../src/http/event-stream.ts";
import { nodeListener, serveDashboard } from "../src/serve.ts";
import type { Dashboard } from "../src/dashboard.ts";
import { startBoard } from "./support/board.ts";
import { OWN, TOKEN } from "./support/client.ts";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  servers.push(server);
  await new Promise((resolve) => server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function onNode(board: Dashboard): Promise<string> {
  const listener = nodeListener(board);
  return listen((request, response) => void listener(request, response));
}

async function onExpress(board: Dashboard): Promise<string> {
  const app = express();
  app.use("/busbar", nodeListener(board));
  app.use(express.json());
  return listen(app as RequestListener);
}

async function onFastify(board: Dashboard): Promise<string> {
  const listener = nodeListener(board);
  const app = fastify();
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _body, done) => done(null));
    scope.all("/busbar", (request, reply) => {
      reply.hijack();
      return listener(request.raw, reply.raw);
    });
    scope.all("/busbar/*", (request, reply) => {
      reply.hijack();
      return listener(request.raw, reply.raw);
    });
  });
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  servers.push(app.server);
  return address;
}

async function onHono(board: Dashboard): Promise<string> {
  const app = new Hono();
  app.mount("/busbar", board.fetch);
  return onNode({ ...board, fetch: async (request) => app.fetch(request) });
}

describe.each([
  ["node:http", onNode],
  ["Express", onExpress],
  ["Fastify", onFastify],
  ["Hono", onHono],
])("on %s, below a base path", (_, host) => {
  test("people sign in, look, act and follow", async () => {
    const open = vi.spyOn(EventStreams.prototype, "open");
    const { board, bus } = await startBoard({
      options: { basePath: "/busbar" },
      subscribe: (it) => it.subscribe("a", () => undefined, { subscriberId: "a" }),
    });
    const base = `${await host(board)}/busbar`;
    const headers = { ...OWN, "content-type": "application/json" };
    const body = JSON.stringify({ token: TOKEN });
    const signIn = await fetch(`${base}/api/session`, { method: "POST", headers, body });
    expect(signIn.status).toBe(200);
    const [cookie, cookiePath] = signIn.headers.get("set-cookie")!.split("; ");
    expect(cookiePath).toBe("Path=/busbar");
    const signedIn = { ...headers, cookie: cookie! };
    expect((await fetch(`${base}/api/overview`, { headers: signedIn })).status).toBe(200);
    const acted = await fetch(`${base}/api/subscriptions/a/pause`, {
      method: "POST",
      headers: signedIn,
      body: '{"everywhere":false}',
    });
    expect(acted.status).toBe(200);
    expect((await bus.inspect()).subscriptions[0]).toMatchObject({ paused: true });
    // The page is not built for these tests.
    expect([200, 503]).toContain((await fetch(base)).status);
    expect([200, 503]).toContain((await fetch(`${base}/subscriptions/a`)).status);
    const leaving = new AbortController();
    const live = await fetch(`${base}/api/live`, { headers: signedIn, signal: leaving.signal });
    const reader = live.body!.getReader();
    expect((await reader.read()).done).toBe(false);
    const [streams] = open.mock.contexts as EventStreams[];
    expect(streams!.size).toBe(1);
    leaving.abort();
    await vi.waitFor(() => expect(streams!.size).toBe(0));
  });
});

test("a dashboard has a server of its own, and its link signs in", async () => {
  const { board } = await startBoard();
  const served = await serveDashboard(board, { port: 0 });
  const response = await fetch(board.createSignInLink(served.origin), { redirect: "manual" });
  expect([response.status, response.headers.get("location")]).toEqual([303, "/"]);
  const cookie = response.headers.get("set-cookie")!.split(";", 1)[0]!;
  const session = await fetch(`${served.origin}/api/session`, { headers: { cookie } });
  expect(await session.json()).toMatchObject({ caller: { name: "operator" } });
  // Somebody who looks on does not hold it up.
  const live = await fetch(`${served.origin}/api/live`, { headers: { cookie } });
  expect(live.status).toBe(200);
  await Promise.all([served.close(), served.close()]);
  await expect(fetch(served.origin)).rejects.toThrow();
  await live.body!.cancel().catch(() => undefined);
});

test("a server says why it cannot be started", async () => {
  const { board } = await startBoard();
  await using first = await serveDashboard(board, { port: 0 });
  const port = Number(new URL(first.origin).port);
  await expect(serveDashboard(board, { port })).rejects.toThrow("EADDRINUSE");
  await expect(serveDashboard(board, { port: -1 })).rejects.toThrow("option port");
});
