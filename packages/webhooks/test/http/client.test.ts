import { gzipSync } from "node:zlib";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  HttpClient,
  type HttpAnswer,
  type HttpRequest,
  KEPT_BYTES,
} from "../../src/http/client.ts";
import { AddressGuard } from "../../src/http/guard.ts";
import { type ReceiverAnswer, startReceiver } from "../../src/testing.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";

const LOOPBACK = new AddressGuard({
  allow: ["127.0.0.0/8", "::1"],
  lookup: async (name) => (name === "two.example" ? ["127.0.0.2", "127.0.0.1"] : ["127.0.0.1"]),
});

let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function newClient(options: Partial<ConstructorParameters<typeof HttpClient>[0]> = {}): HttpClient {
  const client = new HttpClient({ guard: LOOPBACK, ...options });
  closing.push(() => client.close());
  return client;
}

function post(url: string, request: Partial<HttpRequest> = {}): Promise<HttpAnswer> {
  return postBy(newClient(), url, request);
}

function postBy(
  client: HttpClient,
  url: string,
  request: Partial<HttpRequest> = {},
): Promise<HttpAnswer> {
  return client.post({
    url: new URL(url),
    headers: { "content-type": "application/json" },
    body: "{}",
    timeoutMs: 5_000,
    signal: new AbortController().signal,
    ...request,
  });
}

/** A server that does something with each connection, and may know nothing of HTTP. */
async function rawServer(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onConnection(socket);
  }).listen(0, "127.0.0.1");
  closing.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** A server that sends some bytes once a request has come. */
const sending = (...parts: readonly string[]): Promise<string> =>
  rawServer((socket) => {
    socket.once("data", () => {
      for (const part of parts) socket.write(part, "latin1");
    });
  });

test("sends a request whole, and reads the answer", async () => {
  await using receiver = await startReceiver({
    answers: [{ status: 202, headers: { "x-answer": "1" }, body: "thanks" }],
  });
  const body = JSON.stringify({ text: "ü€😀", many: "x".repeat(200_000) });
  const answer = await post(`${receiver.url}a/b?c=d#e`, { body });
  expect([answer.status, answer.headers["x-answer"], String(answer.body)]).toEqual([
    202,
    "1",
    "thanks",
  ]);
  const request = await receiver.next();
  expect([request.method, request.path, request.headers["content-type"]]).toEqual([
    "POST",
    "/a/b?c=d",
    "application/json",
  ]);
  expect(String(request.body)).toBe(body);
});

describe("keeps connections", () => {
  test("open for the next request, and few for many", async () => {
    await using receiver = await startReceiver();
    const client = newClient();
    for (let n = 0; n < 5; n += 1) await postBy(client, receiver.url);
    expect(receiver.connections).toBe(1);
    await Promise.all(Array.from({ length: 20 }, () => postBy(client, receiver.url)));
    expect(receiver.connections).toBeLessThanOrEqual(20);
    await client.close();
    expect(client.connections).toBe(0);
    await expect(postBy(client, receiver.url)).rejects.toMatchObject({ errorClass: "interrupted" });
  });

  test("of an origin as long as it does", async () => {
    await using receiver = await startReceiver();
    const client = newClient();
    await postBy(client, receiver.url);
    expect(client.connections).toBe(1);
    await receiver.close();
    await expect.poll(() => client.connections).toBe(0);
    await expect(postBy(client, receiver.url)).rejects.toMatchObject({
      errorClass: "connection_refused",
    });
    await expect.poll(() => client.connections).toBe(0);
  });

  test("and tries the next address of a name", async () => {
    await using receiver = await startReceiver();
    expect((await post(`http://two.example:${receiver.port}/`)).status).toBe(200);
  });
});

describe("an answer that is not simple", () => {
  test.each([301, 302, 303, 307, 308])("a redirect with %i is not followed", async (status) => {
    await using target = await startReceiver();
    await using receiver = await startReceiver({
      otherwise: { status, headers: { location: target.url } },
    });
    expect((await post(receiver.url)).status).toBe(status);
    expect(target.requests).toEqual([]);
  });

  test("a redirect to a metadata service is an answer like any other", async () => {
    const location = "http://169.254.169.254/latest/meta-data/";
    await using receiver = await startReceiver({
      otherwise: { status: 307, headers: { location } },
    });
    expect(await post(receiver.url)).toMatchObject({ status: 307, headers: { location } });
  });

  test("of a large body the beginning is kept, and the connection", async () => {
    await using receiver = await startReceiver({ otherwise: { body: "x".repeat(KEPT_BYTES + 9) } });
    const client = newClient();
    for (let n = 0; n < 2; n += 1) {
      expect((await postBy(client, receiver.url)).body).toHaveLength(KEPT_BYTES);
    }
    expect(receiver.connections).toBe(1);
  });

  test("a body without an end is cut off", async () => {
    await using receiver = await startReceiver({ otherwise: "flood" });
    const answer = await post(receiver.url);
    expect([answer.status, answer.body.length]).toEqual([200, KEPT_BYTES]);
    await expect.poll(() => receiver.connections).toBe(0);
  });

  test("a compressed body stays as it is", async () => {
    const bomb = gzipSync(Buffer.alloc(2_000_000));
    await using receiver = await startReceiver({
      otherwise: { headers: { "content-encoding": "gzip" }, body: bomb },
    });
    expect((await post(receiver.url)).body).toEqual(bomb.subarray(0, KEPT_BYTES));
  });

  test("early hints are not yet the answer", async () => {
    const url = await sending(
      "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    expect(await post(url)).toMatchObject({ status: 200, body: Buffer.from("ok") });
  });

  test("an answer before the end of the request counts", async () => {
    const url = await rawServer((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"));
    });
    const answer = post(url, { body: "x".repeat(5_000_000) });
    await expect(
      answer.then(
        ({ status }) => status,
        ({ errorClass }: { errorClass: string }) => errorClass,
      ),
    ).resolves.toSatisfy((outcome) => outcome === 413 || outcome === "connection_reset");
  });
});

describe("a fault has its class", () => {
  const refused = async (): Promise<string> => {
    const receiver = await startReceiver();
    await receiver.close();
    return receiver.url;
  };
  const answering = (answer: ReceiverAnswer) => async (): Promise<string> => {
    const receiver = await startReceiver({ otherwise: answer });
    closing.push(() => receiver.close());
    return receiver.url;
  };
  const secure =
    (of: "server" | "elsewhere" | "expired", host = "127.0.0.1") =>
    async (): Promise<string> => {
      const receiver = await startReceiver({ tls: certificates[of] });
      closing.push(() => receiver.close());
      return `https://${host}:${receiver.port}/`;
    };
  const plain = answering(200);

  test.each<[string, string, () => Promise<string>, RegExp]>([
    ["a closed port", "connection_refused", refused, /refused \(ECONNREFUSED\)/],
    ["a reset before the headers", "connection_reset", answering("reset"), /ECONNRESET|UND_ERR/],
    ["an end before the headers", "connection_reset", () => rawServer((s) => s.end()), /closed/],
    [
      "an end within the headers",
      "connection_reset",
      () =>
        rawServer((socket) => {
          socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nx-a"));
        }),
      /closed/,
    ],
    ["an end within the body", "connection_reset", answering("close-early"), /closed|long/],
    [
      "a reset within the body",
      "connection_reset",
      () =>
        rawServer((socket) => {
          socket.once("data", () => {
            socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nonly", () =>
              socket.resetAndDestroy(),
            );
          });
        }),
      /closed/,
    ],
    ["a greeting of SSH", "protocol_error", answering("garbage"), /not HTTP/],
    [
      "a second content-length",
      "protocol_error",
      () => sending("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok"),
      /not HTTP|long/,
    ],
    [
      "a broken chunk",
      "protocol_error",
      () => sending("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
      /not HTTP/,
    ],
    [
      "headers of 100 kB",
      "protocol_error",
      () => sending("HTTP/1.1 200 OK\r\n", `x: ${"y".repeat(100_000)}\r\n\r\n`),
      /too large/,
    ],
    [
      "a 100 that nobody has asked for",
      "protocol_error",
      () => sending("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
      /not HTTP/,
    ],
    [
      "a switch of protocols",
      "protocol_error",
      () =>
        sending("HTTP/1.1 101 Switching Protocols\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n"),
      /not HTTP/,
    ],
    [
      "a certificate of another host",
      "tls_error",
      secure("elsewhere"),
      /ERR_TLS_CERT_ALTNAME_INVALID/,
    ],
    ["a certificate of yesterday", "tls_error", secure("expired"), /CERT_HAS_EXPIRED/],
    [
      "a name that is not the certificate's",
      "tls_error",
      secure("server", "name.example"),
      /ALTNAME/,
    ],
    [
      "no TLS at an https URL",
      "tls_error",
      async () => (await plain()).replace("http:", "https:"),
      /ERR_SSL|EPROTO/,
    ],
    [
      "TLS at an http URL",
      "connection_reset",
      async () => (await secure("server")()).replace("https:", "http:"),
      /closed/,
    ],
  ])("%s: %s", async (_what, errorClass, start, message) => {
    const url = await start();
    const tls = { ca: certificates.ca };
    await expect(post(url, { tls })).rejects.toMatchObject({
      errorClass,
      retryable: true,
      message: expect.stringMatching(message) as string,
    });
  });

  test("an authority that nobody knows: tls_error", async () => {
    await expect(post(await secure("server")())).rejects.toMatchObject({
      errorClass: "tls_error",
      retryable: true,
    });
  });

  test("headers that cannot be sent: invalid_settings", async () => {
    const url = await plain();
    await expect(post(url, { headers: { "x-a": "b\r\nc: d" } })).rejects.toMatchObject({
      errorClass: "invalid_settings",
      retryable: false,
    });
  });

  test.each<[string, ReceiverAnswer]>([
    ["no answer", "hang"],
    ["an answer that drips", "drip"],
    ["a late answer", { delayMs: 60_000 }],
  ])("%s: timeout, and its connection is closed", async (_what, answer) => {
    await using receiver = await startReceiver({ otherwise: answer });
    await expect(post(receiver.url, { timeoutMs: 60 })).rejects.toMatchObject({
      errorClass: "timeout",
      retryable: true,
      message: "There was no complete answer in 60 ms",
    });
    await expect.poll(() => receiver.connections).toBe(0);
  });

  test("headers that drip: timeout", async () => {
    const url = await rawServer((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => socket.write("x: y\r\n"), 10);
      socket.once("close", () => clearInterval(timer));
    });
    await expect(post(url, { timeoutMs: 80 })).rejects.toMatchObject({ errorClass: "timeout" });
  });

  test("a TLS handshake that hangs: connect_timeout", async () => {
    const url = await rawServer(() => {});
    const client = newClient({ connectTimeoutMs: 50 });
    await expect(postBy(client, url.replace("http:", "https:"))).rejects.toMatchObject({
      errorClass: "connect_timeout",
      retryable: true,
    });
  });

  test("a look-up that hangs: connect_timeout", async () => {
    const guard = new AddressGuard({ lookup: () => new Promise(() => {}) });
    const client = newClient({ guard, connectTimeoutMs: 50 });
    await expect(postBy(client, "http://slow.example/")).rejects.toMatchObject({
      errorClass: "connect_timeout",
    });
  });
});

describe("a signal", () => {
  test("ends a request at once, and its connection", async () => {
    await using receiver = await startReceiver({ otherwise: "hang" });
    const controller = new AbortController();
    const failed = expect(post(receiver.url, { signal: controller.signal }))
      .rejects //
      .toMatchObject({ errorClass: "interrupted", retryable: true });
    await receiver.received(1);
    controller.abort();
    await failed;
    await expect.poll(() => receiver.connections).toBe(0);
  });

  test("that was aborted already sends nothing", async () => {
    await using receiver = await startReceiver();
    const signal = AbortSignal.abort();
    await expect(post(receiver.url, { signal })).rejects.toMatchObject({
      errorClass: "interrupted",
    });
    expect(receiver.connections).toBe(0);
  });

  test("while it is connecting sends nothing afterwards", async () => {
    await using receiver = await startReceiver();
    let resolve: (addresses: readonly string[]) => void = () => {};
    const promise = new Promise<readonly string[]>((found) => {
      resolve = found;
    });
    const client = newClient({
      guard: new AddressGuard({ allow: ["127.0.0.1"], lookup: () => promise }),
    });
    const controller = new AbortController();
    const request = postBy(client, `http://late.example:${receiver.port}/`, {
      signal: controller.signal,
    });
    controller.abort(new DOMException("too late", "TimeoutError"));
    await expect(request).rejects.toMatchObject({ errorClass: "timeout" });
    resolve(["127.0.0.1"]);
    expect((await postBy(client, `http://late.example:${receiver.port}/two`)).status).toBe(200);
    expect(receiver.requests.map(({ path }) => path)).toEqual(["/two"]);
  });
});

describe("TLS", () => {
  test("trusts an authority of the settings, and shows a certificate", async () => {
    const { ca, server, client } = certificates;
    await using receiver = await startReceiver({ tls: { ...server, ca, requestCert: true } });
    const shared = newClient();
    expect((await postBy(shared, receiver.url, { tls: { ca, ...client } })).status).toBe(200);
    // A connection that has shown a certificate is not used by those that have none.
    await expect(postBy(shared, receiver.url, { tls: { ca } })).rejects.toMatchObject({
      errorClass: expect.stringMatching(/tls_error|connection_reset/) as string,
    });
    await expect(postBy(shared, receiver.url)).rejects.toMatchObject({ errorClass: "tls_error" });
  });

  test("takes no key that is none", async () => {
    await expect(
      post("https://127.0.0.1:1/", { tls: { cert: "a", key: "b" } }),
    ).rejects.toMatchObject({
      errorClass: expect.stringMatching(/tls_error|invalid_settings/) as string,
    });
  });
});
afterAll(() => expect(closing).toEqual([]));
