// Who may connect, and how: TLS, passwords, and the rights that the README lists.
import { createEventBus, type EventBus } from "@busbar/core";
import { connect, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { afterEach, expect, test } from "vitest";
// @boundaries-ignore servers of a test's own
import { startServer, type TestServer } from "../../../.ci/servers/start-server.mjs";
import { natsProvider, type NatsProviderOptions } from "../src/index.ts";
import { makeCertificates } from "./support/certificates.ts";
import { documentedRights } from "./support/documented-rights.ts";

let opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.toReversed()) await close();
  opened = [];
});

async function serve(settings: Readonly<Record<string, string>>): Promise<TestServer> {
  const server = await startServer("nats", { settings });
  opened.push(() => server.stop());
  return server;
}

function createBus(options: NatsProviderOptions): EventBus {
  const bus = createEventBus({ name: "shop", provider: natsProvider(options) });
  opened.push(() => bus.stop({ graceMs: 0 }));
  return bus;
}

/** Emits an event, and resolves with what its subscriber gets after a retry and a replay. */
async function roundTrip(bus: EventBus): Promise<unknown> {
  let runs = 0;
  const handled = new Promise<unknown>((resolve) => {
    bus.subscribe(
      "order.placed",
      ({ data }) => {
        runs += 1;
        if (runs < 3) throw new Error("not yet");
        resolve(data);
      },
      { subscriberId: "mail", attempts: 2, backoff: 10 },
    );
  });
  const died = new Promise((resolve) => bus.on("dead", resolve));
  await bus.start();
  await bus.emit("order.placed", "hello", { deduplicationId: "once" });
  await died;
  await bus.deadLetters.replay("mail");
  return handled;
}

test("connects over TLS, and not if the certificate is unknown", { timeout: 30_000 }, async () => {
  const certificates = await makeCertificates();
  opened.push(() => certificates.remove());
  const { port } = await serve(certificates.settings);
  const servers = `tls://localhost:${port}`;
  expect(await roundTrip(createBus({ servers, connect: { tls: { ca: certificates.ca } } }))).toBe(
    "hello",
  );
  const stranger = createBus({ servers, connect: { tls: {} } });
  await expect(stranger.start()).rejects.toMatchObject({ code: "BUSBAR_UNAVAILABLE" });
});

test("lets a user with the documented rights do everything", { timeout: 30_000 }, async () => {
  const user = `{ user: shop, password: secret, ${documentedRights()} }`;
  const { url: servers } = await serve({ authorization: `{ users: [${user}] }` });
  const right: NodeConnectionOptions = { user: "shop", pass: "secret" };
  const bus = createBus({ servers, connect: right });
  expect(await roundTrip(bus)).toBe("hello");
  await bus.inspect();
  await bus.retire("mail");
  expect((await bus.health()).status).toBe("up");

  for (const wrong of [{ user: "shop", pass: "wrong" }, {}]) {
    const refused = createBus({ servers, connect: wrong });
    await expect(refused.start()).rejects.toMatchObject({
      code: "BUSBAR_UNAVAILABLE",
      message: expect.stringMatching(/authorization/i) as string,
    });
  }
});

test("uses a connection of the application, and leaves it open", async () => {
  const { url: servers } = await serve({});
  const connection: NatsConnection = await connect({ servers, maxReconnectAttempts: -1 });
  opened.push(() => connection.close());
  const bus = createBus({ connection });
  expect(await roundTrip(bus)).toBe("hello");
  await bus.stop({ graceMs: 1_000 });
  expect(connection.isClosed()).toBe(false);
  await connection.flush();
});
