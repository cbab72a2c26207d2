import { afterEach, expect, test } from "vitest";
import type { NotifierResult } from "../../src/contract/notifier.ts";
import { tcpNotifier, type TcpSettings } from "../../src/notifiers/tcp-notifier.ts";
import { notifierRequest, type NotifierRequestParts } from "../../src/testing.ts";
import { makeCertificates } from "../support/certificates.ts";
import { startLineServer } from "../support/line-server.ts";

const notifiers: ReturnType<typeof tcpNotifier>[] = [];
afterEach(async () => {
  for (const notifier of notifiers.splice(0)) await notifier.close?.();
});

function newNotifier(): ReturnType<typeof tcpNotifier> {
  const notifier = tcpNotifier({ allow: ["127.0.0.1"] });
  notifiers.push(notifier);
  return notifier;
}

function deliver(
  destination: string,
  settings: Partial<TcpSettings> = {},
  parts: Partial<NotifierRequestParts<TcpSettings>> = {},
  notifier = newNotifier(),
): Promise<NotifierResult> {
  const all = { acknowledge: true, timeoutMs: 5_000, ...settings };
  return notifier.deliver(notifierRequest({ destination, settings: all, ...parts }));
}

test("writes one line for each delivery on a connection that is kept", async () => {
  await using server = await startLineServer(() => "ok thanks\r\n");
  const notifier = newNotifier();
  const data = { text: "a\nb\u2028😀", deep: [1, 1.5, { x: null }] };
  for (let n = 0; n < 3; n += 1) {
    const parts = { event: { data }, delivery: { id: `d${n}`, sequence: 7 } };
    const result = await deliver(server.destination, {}, parts, notifier);
    expect(result).toEqual({ ok: true, retryable: false, response: "ok thanks" });
  }
  expect(server.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject(
    [0, 1, 2].map((n) => ({ specversion: "1.0", type: "order.placed", deliveryid: `d${n}`, data })),
  );
  expect(server.opened).toBe(1);
  await notifier.close?.();
  await expect.poll(() => server.open).toBe(0);
  expect(await deliver(server.destination, {}, {}, notifier)).toMatchObject({ ok: false });
});

test("gives each of many deliveries at once its own answer", async () => {
  await using server = await startLineServer(
    (line) => `ok ${(JSON.parse(line) as { deliveryid: string }).deliveryid}\n`,
  );
  const notifier = newNotifier();
  const ids = Array.from({ length: 50 }, (_, n) => `d${n}`);
  const results = await Promise.all(
    ids.map((id) => deliver(server.destination, {}, { delivery: { id } }, notifier)),
  );
  expect(results.map(({ response }) => response)).toEqual(ids.map((id) => `ok ${id}`));
  expect(server.opened).toBe(1);
});

test("reads answers that come in parts", async () => {
  await using server = await startLineServer((line, socket) => {
    socket.write("o");
    setImmediate(() => socket.write(line.includes("d1") ? "k\nok\n" : "k\n"));
    return undefined;
  });
  expect(await deliver(server.destination, {}, { delivery: { id: "d0" } })).toMatchObject({
    ok: true,
  });
});

test.each<[string, Partial<NotifierResult>]>([
  ["ok\n", { ok: true }],
  ["busy\n", { ok: false, retryable: true, errorClass: "rejected", response: "busy" }],
  ["failed: unknown type\n", { ok: false, retryable: false, errorClass: "rejected" }],
  ["\n", { ok: false, retryable: true, errorClass: "rejected" }],
  ["x".repeat(20_000), { ok: false, retryable: true, errorClass: "protocol_error" }],
])("understands the answer %j", async (answer, result) => {
  await using server = await startLineServer(() => answer);
  expect(await deliver(server.destination)).toMatchObject(result);
});

test("without acknowledgements waits for no answer", async () => {
  await using server = await startLineServer(() => undefined);
  expect(await deliver(server.destination, { acknowledge: false })).toEqual({
    ok: true,
    retryable: false,
  });
  await server.received(1);
});

test("an answer that does not come takes its time only, and the connection", async () => {
  const answers = [undefined, "ok\n"];
  await using server = await startLineServer(() => answers.shift());
  const notifier = newNotifier();
  expect(await deliver(server.destination, { timeoutMs: 100 }, {}, notifier)).toMatchObject({
    ok: false,
    retryable: true,
    errorClass: "timeout",
  });
  expect(await deliver(server.destination, {}, {}, notifier)).toMatchObject({ ok: true });
  expect(server.opened).toBe(2);
});

test("a connection that breaks off fails what waits on it, and is made anew", async () => {
  let isGood = false;
  await using server = await startLineServer((_line, socket) => {
    if (isGood) return "ok\n";
    socket.resetAndDestroy();
    return undefined;
  });
  const notifier = newNotifier();
  expect(await deliver(server.destination, {}, {}, notifier)).toMatchObject({
    ok: false,
    retryable: true,
    errorClass: "connection_reset",
  });
  isGood = true;
  expect(await deliver(server.destination, {}, {}, notifier)).toMatchObject({ ok: true });
  server.drop();
  await expect.poll(() => server.open).toBe(0);
  await expect
    .poll(() => deliver(server.destination, {}, {}, notifier))
    .toMatchObject({ ok: true });
});

test("over TLS, with certificates", async () => {
  const { ca, server: own, client } = makeCertificates();
  await using server = await startLineServer(() => "ok\n", { ...own, ca, requestCert: true });
  expect(await deliver(server.destination, { tls: { ca, ...client } })).toMatchObject({ ok: true });
  expect(await deliver(server.destination)).toMatchObject({ ok: false, errorClass: "tls_error" });
});

test.each<[string, string | undefined]>([
  ["tcp://logs.example:5170", undefined],
  ["tls://logs.example:5170/", undefined],
  ["tcp://127.0.0.1:80", undefined],
  ["tcp://[2606:4700::1111]:80", undefined],
  ["tcp://logs.example", "be a URL such as tcp://host:port or tls://host:port"],
  ["tcp://logs.example:99999", "be a URL such as tcp://host:port or tls://host:port"],
  ["tcp://me@logs.example:80", "be a URL such as tcp://host:port or tls://host:port"],
  ["tcp://logs.example:80/path", "be a URL such as tcp://host:port or tls://host:port"],
  ["http://logs.example:80", "be a URL such as tcp://host:port or tls://host:port"],
  ["", "be a URL such as tcp://host:port or tls://host:port"],
  ["tcp://10.0.0.1:80", "have an address that deliveries may go to, or a name"],
  ["tcp://[::1]:80", "have an address that deliveries may go to, or a name"],
  ["tcp://0x0a000001:80", "have an address that deliveries may go to, or a name"],
])("the destination %s", async (destination, problem) => {
  const notifier = newNotifier();
  const settings = { acknowledge: true, timeoutMs: 1_000 };
  expect(notifier.checkDestination(destination, settings)).toBe(problem);
  if (problem === undefined) return;
  expect(await deliver(destination)).toMatchObject({
    retryable: false,
    errorClass: "invalid_settings",
  });
});

test("a name that leads inside is blocked", async () => {
  const notifier = tcpNotifier({ lookup: async () => ["127.0.0.1"] });
  notifiers.push(notifier);
  expect(await deliver("tcp://inside.example:80", {}, {}, notifier)).toMatchObject({
    ok: false,
    errorClass: "blocked_address",
  });
});
