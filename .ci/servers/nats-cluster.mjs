// Starts servers of NATS that are one cluster, each with its own store.
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, startServer } from "./start-server.mjs";

const settleWithinMs = 30_000;

/** Resolves when the cluster has a leader and every server is up to date. */
export async function startNatsCluster({ size = 3, settingsOf = () => ({}) } = {}) {
  const names = Array.from({ length: size }, (_, index) => `n${index + 1}`);
  const routePorts = await freePorts(size);
  const monitorPorts = await freePorts(size);
  const starting = names.map(async (name, index) => {
    const settings = {
      server_name: name,
      http: `127.0.0.1:${monitorPorts[index]}`,
      cluster: JSON.stringify({
        name: "busbar",
        listen: `127.0.0.1:${routePorts[index]}`,
        routes: routePorts.map((port) => `nats://127.0.0.1:${port}`),
      }),
      ...settingsOf(name),
    };
    return { name, server: await startServer("nats", { settings }) };
  });
  const started = await Promise.allSettled(starting);
  const servers = started.flatMap(({ value }) => (value ? [value] : []));

  async function stop() {
    await Promise.all(servers.map(({ server }) => server.stop()));
  }

  /** Whether a server knows the leader and has all that the others have. */
  async function isHealthy(port) {
    try {
      const health = await fetch(`http://127.0.0.1:${port}/healthz`);
      const state = await fetch(`http://127.0.0.1:${port}/jsz`);
      return health.ok && Boolean((await state.json()).meta_cluster?.leader);
    } catch {
      return false;
    }
  }

  async function settled() {
    for (const limit = Date.now() + settleWithinMs; Date.now() < limit;) {
      const healthy = await Promise.all(monitorPorts.map(isHealthy));
      if (healthy.every(Boolean)) return;
      await sleep(50);
    }
    throw new Error(`The servers of NATS did not agree within ${settleWithinMs} ms`);
  }

  try {
    const failed = started.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
    await settled();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    names,
    urls: servers.map(({ server }) => server.url),
    server: (name) => servers.find((it) => it.name === name)?.server,
    settled,
    stop,
  };
}

/** Ports that differ. */
async function freePorts(count) {
  const ports = new Set();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
