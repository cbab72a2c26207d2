import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { type HttpAnswer, HttpClient } from "../../src/http/client.ts";
import { AddressGuard, type AddressGuardOptions } from "../../src/http/guard.ts";
import type { ProxyOptions } from "../../src/http/tunnel.ts";
import { startReceiver } from "../../src/testing.ts";
import { makeCertificates } from "../support/certificates.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Proxy {
  readonly url: string;
  readonly asked: { readonly target: string; readonly authorization: string | undefined }[];
}

/** A forward proxy. It connects to this machine whatever it is asked for, or answers a status instead. */
async function startProxy(status?: number): Promise<Proxy> {
  const asked: Proxy["asked"] = [];
  const sockets = new Set<Duplex>();
  const server: Server = createServer().on("connect", (request, socket: Duplex) => {
    sockets.add(socket.on("error", () => {}));
    const target = request.url ?? "";
    asked.push({ target, authorization: request.headers["proxy-authorization"] });
    if (status !== undefined) {
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const port = Number(target.slice(target.lastIndexOf(":") + 1));
    const upstream: Socket = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    sockets.add(upstream.on("error", () => socket.destroy()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function post(
  url: string,
  proxy: string | ProxyOptions,
  guard: AddressGuardOptions,
  tls?: { ca: string },
): Promise<HttpAnswer> {
  const client = new HttpClient({ guard: new AddressGuard(guard), proxy, connectTimeoutMs: 2_000 });
  closing.push(() => client.close());
  return client.post({
    url: new URL(url),
    headers: {},
    body: "{}",
    timeoutMs: 4_000,
    signal: new AbortController().signal,
    tls,
  });
}

const PUBLIC: AddressGuardOptions = { lookup: async () => ["93.184.216.34"] };

describe("through a proxy", () => {
  test("a name is resolved here, and the proxy is asked for its address", async () => {
    const proxy = await startProxy();
    await using receiver = await startReceiver();
    const url = `http://shop.example:${receiver.port}/hook`;
    expect((await post(url, proxy.url.replace("//", "//me:p%40ss@"), PUBLIC)).status).toBe(200);
    expect(proxy.asked).toEqual([
      { target: `93.184.216.34:${receiver.port}`, authorization: `Basic ${btoa("me:p@ss")}` },
    ]);
    expect((await receiver.next()).headers.host).toBe(`shop.example:${receiver.port}`);
  });

  test("a certificate is that of the destination", async () => {
    const { ca, server } = makeCertificates();
    const proxy = await startProxy();
    await using receiver = await startReceiver({ tls: server });
    const allowed = { allow: ["127.0.0.1"], lookup: async () => ["127.0.0.1"] };
    const secure = `https://127.0.0.1:${receiver.port}/`;
    expect((await post(secure, proxy.url, allowed, { ca })).status).toBe(200);
    const named = secure.replace("127.0.0.1", "shop.example");
    await expect(post(named, proxy.url, allowed, { ca })).rejects.toMatchObject({
      errorClass: "tls_error",
    });
  });

  test("blocked addresses are blocked, and the proxy is not asked", async () => {
    const proxy = await startProxy();
    const inside = { lookup: async () => ["10.0.0.1"] };
    for (const url of ["http://169.254.169.254/", "http://[::1]/", "http://inside.example/"]) {
      await expect(post(url, proxy.url, inside)).rejects.toMatchObject({
        errorClass: "blocked_address",
      });
    }
    expect(proxy.asked).toEqual([]);
  });

  test("that resolves names, names are left to it, and addresses are not", async () => {
    const proxy = await startProxy();
    await using receiver = await startReceiver();
    const options = { url: proxy.url, resolvesNames: true };
    const never = { lookup: () => Promise.reject(new Error("asked here")) };
    expect((await post(`http://shop.example:${receiver.port}/`, options, never)).status).toBe(200);
    expect(proxy.asked).toMatchObject([{ target: `shop.example:${receiver.port}` }]);
    await expect(post("http://127.0.0.1/", options, never)).rejects.toMatchObject({
      errorClass: "blocked_address",
    });
  });

  test.each<[number, string]>([
    [403, "proxy_error"],
    [407, "proxy_error"],
    [500, "proxy_error"],
    [502, "connection_refused"],
    [503, "connection_refused"],
    [504, "connect_timeout"],
  ])("that answers %i: %s", async (status, errorClass) => {
    const proxy = await startProxy(status);
    await expect(post("http://shop.example/", proxy.url, PUBLIC)).rejects.toMatchObject({
      errorClass,
      retryable: true,
      message: `The proxy answered ${status}`,
    });
  });

  test("that is not there, or says nothing: proxy_error", async () => {
    await using receiver = await startReceiver({ otherwise: "hang" });
    const gone = await startReceiver();
    await gone.close();
    await expect(post("http://shop.example/", gone.url, PUBLIC)).rejects.toMatchObject({
      errorClass: "proxy_error",
      message: "The proxy could not be reached (ECONNREFUSED)",
    });
    // It is no proxy, and closes connections that ask it to be one.
    await expect(post("http://shop.example/", receiver.url, PUBLIC)).rejects.toMatchObject({
      errorClass: "proxy_error",
    });
  });

  test("that waits for the destination in vain: connect_timeout", async () => {
    const silent = createServer().on("connect", () => {});
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    closing.push(
      () => silent.closeAllConnections(),
      () => silent.close(),
    );
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const client = new HttpClient({
      guard: new AddressGuard(PUBLIC),
      proxy: url,
      connectTimeoutMs: 60,
    });
    const signal = new AbortController().signal;
    const request = { url: new URL("http://shop.example/"), headers: {}, body: "", signal };
    await expect(client.post({ ...request, timeoutMs: 4_000 })).rejects.toMatchObject({
      errorClass: "connect_timeout",
      message: "There was no connection in 60 ms",
    });
    await client.close();
  });
});
