import { createFaultProxy, type FaultProxy } from "@busbar/conformance";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type ProviderReport, systemClock } from "@busbar/core/provider";
import { Worker } from "bullmq";
import { Cluster, Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createRedisLink, type RedisLink } from "../src/connection/redis-link.ts";
import { eventuallyWithoutTimer } from "./support/eventually.ts";
import { type RedisServer, startRedisServer } from "./support/redis-server.ts";

let redis: RedisServer;
let proxy: FaultProxy;
let links: RedisLink[];
let reports: ProviderReport[];

beforeAll(async () => {
  redis = await startRedisServer();
  proxy = await createFaultProxy({ port: redis.port });
});
afterAll(async () => {
  await proxy.close();
  await redis.stop();
});
beforeEach(() => {
  links = [];
  reports = [];
});
afterEach(async () => {
  await proxy.heal();
  await Promise.all(links.map((link) => link.close()));
});

function open(source: Parameters<typeof createRedisLink>[0]["source"] = proxied()): RedisLink {
  const context = {
    clock: systemClock,
    namespace: "a shop",
    report: (report: ProviderReport) => void reports.push(report),
  };
  const link = createRedisLink({ source, commandTimeoutMs: 400, context });
  links.push(link);
  return link;
}

function proxied(): string {
  return `redis://127.0.0.1:${proxy.port}`;
}

function states(): readonly string[] {
  return reports.flatMap((report) => (report.type === "state" ? [report.state] : []));
}

describe("a link", () => {
  test("becomes ready, says so, and is ended by close", async () => {
    const link = open();
    expect(link.isReady).toBe(false);
    await link.whenReady();
    expect(link.isReady).toBe(true);
    expect(await link.client.ping()).toBe("PONG");
    await link.close();
    expect(link.isReady).toBe(false);
    expect(link.client.status).toBe("end");
    expect(states()).toEqual(["connecting", "ready"]);
    await expect(link.whenReady()).rejects.toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
  });

  test("comes back by itself after a cut, and reports both", async () => {
    const link = open();
    await link.whenReady();
    await proxy.cut();
    await expect.poll(() => states().at(-1)).toBe("down");
    await expect(link.client.ping()).rejects.toThrow();
    await proxy.heal();
    await link.whenReady(performance.now() + 5_000);
    expect(await link.client.ping()).toBe("PONG");
    expect(states()).toEqual(["connecting", "ready", "down", "ready"]);
  });

  test("comes back after a restart of Redis", async () => {
    const link = open(redis.url);
    await link.whenReady();
    await redis.restart();
    await link.whenReady(performance.now() + 5_000);
    expect(await link.client.ping()).toBe("PONG");
  });

  test("fails a command with the connection that it was sent on", async () => {
    const link = open();
    await link.whenReady();
    const blocked = link.client.blpop("nothing", 0);
    await proxy.cut();
    await expect(blocked).rejects.toThrow();
  });

  test("replaces a connection that has gone silent", async () => {
    const link = open();
    await link.whenReady();
    await proxy.halfOpen();
    const from = Date.now();
    await expect(link.client.get("a")).rejects.toThrow();
    expect(Date.now() - from).toBeLessThan(900);
    await link.whenReady(performance.now() + 2_000);
    expect(await link.client.ping()).toBe("PONG");
    expect(reports.find((report) => "state" in report && report.state === "down")).toMatchObject({
      cause: { message: "Redis has not answered for 400 ms" },
    });
  });

  test("notices silence while nobody sends anything", async () => {
    const link = open();
    await link.whenReady();
    await proxy.halfOpen();
    await expect.poll(() => states()).toEqual(["connecting", "ready", "down", "ready"]);
  });

  test("gives up a server that accepts connections and says nothing", async () => {
    let silent: Socket | undefined;
    const server = createServer((socket) => {
      if (silent) socket.pipe(connect(redis.port, "127.0.0.1")).pipe(socket);
      silent ??= socket;
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const link = open(`redis://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await link.whenReady(performance.now() + 3_000);
    await link.close();
    silent?.destroy();
    server.close();
  });

  test.each<[string, Parameters<typeof open>[0], string]>([
    ["a socket", { path: "/nowhere/redis.sock" }, "/nowhere/redis.sock"],
    ["an address of IPv6", "redis://u:SECRET@[::1]:1/2", "[::1]:1"],
    [
      "sentinels",
      { name: "shop", sentinels: [{ host: "a.internal", port: 1 }, { port: 2 }] },
      "shop of the sentinels a.internal:1, 127.0.0.1:2",
    ],
    [
      "a cluster",
      new Cluster(["redis://u:SECRET@127.0.0.1:1", { port: 2 }], { lazyConnect: true }),
      "the cluster of 127.0.0.1:1, 127.0.0.1:2",
    ],
  ])("says where it finds %s, and no password", (_, source, server) => {
    const link = open(source);
    expect(reports[0]).toEqual({ type: "state", state: "connecting", server });
    expect(link.away().message).toBe(`Redis at ${server} cannot be reached`);
  });

  test("waits until a deadline, and gives the reason", async () => {
    await proxy.cut();
    const link = open();
    const error: unknown = await link
      .whenReady(performance.now() + 100)
      .catch((caught: unknown) => caught);
    const server = `127.0.0.1:${proxy.port}`;
    expect(error).toMatchObject({
      message: expect.stringContaining(`Redis at ${server} cannot be reached (`) as string,
    });
    expect(reports[0]).toEqual({ type: "state", state: "connecting", server });
    await proxy.heal();
    await link.whenReady(performance.now() + 5_000);
  });

  test("says at once that credentials are wrong", async () => {
    const link = open(`redis://nobody:wrong@127.0.0.1:${redis.port}`);
    await expect(link.whenReady(performance.now() + 9_000)).rejects.toThrow(/WRONGPASS/);
  });

  test.for(["ready", "cut", "silent", "connecting"])(
    "is closed soon while it is %s",
    async (how) => {
      if (how === "connecting") await proxy.cut();
      const link = open();
      if (how !== "connecting") await link.whenReady();
      const waiting = how === "connecting" ? link.whenReady() : undefined;
      const outcome = waiting?.catch((error: unknown) => error);
      if (how === "cut") await proxy.cut();
      if (how === "silent") await proxy.halfOpen();
      const from = Date.now();
      await link.close();
      expect(Date.now() - from).toBeLessThan(600);
      if (outcome) expect(await outcome).toMatchObject({ code: "BUSBAR_NOT_RUNNING" });
      await expect(link.client.ping()).rejects.toThrow();
    },
  );

  test("leaves no socket and no timer", async () => {
    const count = (): number =>
      process.getActiveResourcesInfo().filter((it) => /TCPSocketWrap|Timeout/.test(it)).length;
    const before = count();
    for (const fault of ["none", "cut", "halfOpen"] as const) {
      const link = open();
      await link.whenReady();
      const copy = (link.client as Redis).duplicate();
      copy.bzpopmin("nothing", 0).catch(() => {});
      await expect.poll(() => copy.status).toBe("ready");
      if (fault !== "none") await proxy[fault]();
      await link.close();
      await expect.poll(() => copy.status).not.toBe("ready");
      await proxy.heal();
    }
    await eventuallyWithoutTimer(() => expect(count()).toBeLessThanOrEqual(before));
  });
});

describe("a client of the user's", () => {
  test("is neither used nor closed, and its options are not changed", async () => {
    const users = new Redis(redis.url, { maxRetriesPerRequest: 7, connectionName: "users" });
    await users.ping();
    const options = { ...users.options };
    const listeners = users.eventNames().map((name) => users.listenerCount(name));
    const link = open(users);
    await link.whenReady();
    expect(link.client).not.toBe(users);
    expect(await link.client.client("GETNAME")).toBe("busbar:a%20shop");
    await link.close();
    expect(users.status).toBe("ready");
    expect(users.options).toEqual(options);
    expect(users.eventNames().map((name) => users.listenerCount(name))).toEqual(listeners);
    expect(await users.client("GETNAME")).toBe("users");
    users.disconnect();
  });

  test("may be in the middle of anything", async () => {
    const users = new Redis(redis.url);
    await users.subscribe("news");
    const link = open(users);
    await link.whenReady();
    expect(await link.client.ping()).toBe("PONG");
    users.disconnect();
  });
});

describe("a worker of BullMQ on the link", () => {
  function work(link: RedisLink): Worker {
    const worker = new Worker("work", null, {
      connection: link.client,
      prefix: "{test}",
      autorun: false,
      drainDelay: 1,
    });
    worker.on("error", () => {});
    return worker;
  }

  async function add(id: string): Promise<void> {
    const admin = new Redis(redis.url);
    await admin.eval(
      `redis.call("LPUSH", "{test}:work:wait", ARGV[1])
       redis.call("HSET", "{test}:work:" .. ARGV[1], "data", "{}", "opts", "{}", "name", "a")
       redis.call("ZADD", "{test}:work:marker", 0, "0")`,
      0,
      id,
    );
    admin.disconnect();
  }

  async function fetchInsistently(worker: Worker, link: RedisLink): Promise<string | undefined> {
    for (;;) {
      await link.whenReady();
      const job = await worker.getNextJob("token", { block: true }).catch(() => undefined);
      if (job) return job.id;
    }
  }

  test.for(["cut", "halfOpen", "restart"] as const)("fetches on after: %s", async (fault) => {
    const link = open();
    await link.whenReady();
    const worker = work(link);
    const fetched = fetchInsistently(worker, link);
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (fault === "restart") await redis.restart();
    else await proxy[fault]();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await proxy.heal();
    const from = Date.now();
    await add(`after-${fault}`);
    expect(await fetched).toBe(`after-${fault}`);
    expect(Date.now() - from).toBeLessThan(4_000);
    await worker.close(true);
  });

  test("is closed while Redis is away", async () => {
    const link = open();
    await link.whenReady();
    const worker = work(link);
    void worker.getNextJob("token", { block: true }).catch(() => {});
    await worker.waitUntilReady();
    await proxy.cut();
    const from = Date.now();
    await worker.close(true);
    await link.close();
    expect(Date.now() - from).toBeLessThan(1_000);
  });
});

describe("Redis Cluster", () => {
  let node: RedisServer;
  let users: Cluster;
  beforeAll(async () => {
    node = await startRedisServer({
      config: {
        "cluster-enabled": "yes",
        "cluster-announce-ip": "127.0.0.1",
        "cluster-node-timeout": "500",
      },
    });
    const admin = new Redis(node.url);
    await admin.cluster("ADDSLOTSRANGE", 0, 16_383);
    await vi.waitFor(
      async () => expect(await admin.cluster("INFO")).toContain("cluster_state:ok"),
      {
        timeout: 9_000,
      },
    );
    admin.disconnect();
    users = new Cluster([{ host: "127.0.0.1", port: node.port }]);
  });
  afterAll(async () => {
    users.disconnect();
    await node.stop();
  });

  test(
    "is connected to, comes back after a restart, and is left by close",
    { timeout: 30_000 },
    async () => {
      const link = open(users);
      await link.whenReady(performance.now() + 5_000);
      expect(await link.client.set("a", "1")).toBe("OK");
      await node.restart();
      await expect.poll(() => states().at(-1), { timeout: 20_000 }).toBe("ready");
      await expect.poll(() => link.client.get("a").catch(() => ""), { timeout: 8_000 }).toBe("1");
      await link.close();
      await expect(link.client.get("a")).rejects.toThrow();
      await expect.poll(() => users.get("a").catch(() => "")).toBe("1");
    },
  );
});
