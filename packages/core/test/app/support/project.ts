import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

/** The contents of files, by their paths. */
export type Files = Readonly<Record<string, string>>;

/** Writes a project to a directory of its own, which goes when the test has finished. */
export function project(files: Files): string {
  // The real path, because that is what modules are known by.
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "busbar-app-")));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  write(root, { "package.json": '{ "type": "module" }', ...files });
  return root;
}

/** Adds files to a project. */
export function write(root: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Makes a package resolvable in a project. */
export function install(root: string, name: string, target: string): void {
  const link = path.join(root, "node_modules", name);
  mkdirSync(path.dirname(link), { recursive: true });
  symlinkSync(target, link);
}

/**
 * A module whose provider delivers in this process, in as few lines as that takes. It leaves a note
 * of everything that is asked of it in `calls`.
 */
export const moduleSource = `
export const calls = [];

export function createProvider(name) {
  const consumers = new Map();
  const inFlight = new Set();
  return {
    name,
    capabilities: {
      durable: false, payload: "shared", delay: false, retryDelay: false, priority: false,
      deduplication: false, ordering: false, redeliverAfterMs: 0,
    },
    async start() { calls.push("start"); },
    async publish(batch) {
      calls.push("publish");
      return batch.map((envelope) => {
        const targets = [...consumers.values()].filter(({ events }) => events.includes(envelope.name));
        for (const { deliver } of targets) {
          const run = deliver({ envelope, crashes: 0 }).finally(() => inFlight.delete(run));
          inFlight.add(run);
        }
        return { status: "accepted", subscriptions: targets.length };
      });
    },
    async consume({ subscriptionId, events }, deliver) {
      calls.push("consume " + subscriptionId);
      consumers.set(subscriptionId, { events, deliver });
      return {
        async close() {
          calls.push("close " + subscriptionId);
          consumers.delete(subscriptionId);
          await Promise.all(inFlight);
        },
      };
    },
    async stop() {
      await Promise.all(inFlight);
      calls.push("stop");
    },
  };
}

export default { name: "small", provider: () => createProvider("small") };
`;
