// Three servers with three replicas of each event: what breaks one of them, or all for a while, loses nothing.
// Seconds for each fault; 10 000 events of 100 emitters with BUSBAR_CONFORMANCE=stress.
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
// @boundaries-ignore the servers of all tests
import { type NatsCluster, startNatsCluster } from "../../../.ci/servers/nats-cluster.mjs";
// @boundaries-ignore the servers of all tests
import type { TestServer } from "../../../.ci/servers/start-server.mjs";
import { type ClusterLoad, type Disturbance, startLoad } from "./support/cluster-load.ts";

const isStress = process.env["BUSBAR_CONFORMANCE"] === "stress";
const size = isStress ? { events: 10_000, emitters: 100 } : { events: 900, emitters: 20 };
const FROZEN_MS = isStress ? 30_000 : 3_000;
const LEASE_MS = 2_000;

let cluster: NatsCluster;
let connection: NatsConnection;

beforeAll(async () => {
  cluster = await startNatsCluster();
  connection = await connect({ servers: [...cluster.urls], maxReconnectAttempts: -1 });
}, 60_000);
afterAll(async () => {
  await connection.close();
  await cluster.stop();
});

function load(name: string): Promise<ClusterLoad> {
  const servers = [...cluster.urls];
  const options = { servers, replicas: 3, partitions: 2, leaseMs: LEASE_MS };
  return startLoad(name, { ...options, prefix: name }, size);
}

/** The server that leads the first partition. Resolves when there is one. */
function leader(prefix: string): Promise<TestServer> {
  const find = async (): Promise<TestServer> => {
    const manager = await jetstreamManager(connection);
    const { cluster: placement } = await manager.streams.info(`${prefix}-0`);
    const server = cluster.server(placement?.leader ?? "");
    if (!server) throw new Error("The stream has no leader");
    return server;
  };
  return vi.waitFor(find, { timeout: 20_000, interval: 50 });
}

/** Emits all events while something breaks, and insists that nothing is lost. */
async function losesNothing(what: string, it: ClusterLoad, ...disturbances: Disturbance[]) {
  await it.emitAll(...disturbances);
  const { again, repeated, ...outcome } = await it.account();
  console.log(`${what}: ${size.events} events, ${again} emits again, ${repeated} runs repeated`);
  expect(outcome).toEqual({ lost: 0, dead: 0 });
}

const LIMIT = { timeout: isStress ? 600_000 : 150_000 };

test("a leader that is killed twice costs no event", LIMIT, async () => {
  await using it = await load("killed");
  const happen = async (): Promise<void> => {
    const server = await leader("killed");
    await server.kill();
    await sleep(500);
    await server.start();
    await cluster.settled();
  };
  await losesNothing("leader killed", it, { at: 1 / 3, happen }, { at: 2 / 3, happen });
});

test("a leader that hangs for a while costs no event", LIMIT, async () => {
  await using it = await load("frozen");
  const happen = async (): Promise<void> => {
    const server = await leader("frozen");
    server.freeze();
    await sleep(FROZEN_MS);
    server.thaw();
    await cluster.settled();
  };
  await losesNothing(`leader frozen for ${FROZEN_MS} ms`, it, { at: 1 / 2, happen });
});

test("a restart of all servers at once costs no event", LIMIT, async () => {
  await using it = await load("restarted");
  const servers = cluster.names.flatMap((name) => cluster.server(name) ?? []);
  const happen = async (): Promise<void> => {
    // In order: NATS 2.9 has lost events when all three were killed at the same moment under load.
    await Promise.all(servers.map((server) => server.restart()));
    await cluster.settled();
  };
  await losesNothing("all servers restarted", it, { at: 1 / 2, happen });
});

test(
  "a worker that is killed and one that hangs for longer than its lease cost no event",
  LIMIT,
  async () => {
    await using it = await load("workers");
    const [first, second] = it.workers;
    const kill = async (): Promise<void> => {
      first?.kill("SIGKILL");
      await it.addWorker();
    };
    const freeze = async (): Promise<void> => {
      second?.kill("SIGSTOP");
      await sleep(2 * LEASE_MS);
      second?.kill("SIGCONT");
    };
    const disturbances = [
      { at: 1 / 3, happen: kill },
      { at: 1 / 2, happen: freeze },
    ];
    await losesNothing("worker killed, worker frozen", it, ...disturbances);
  },
);
