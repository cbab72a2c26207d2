import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Role } from "@busbar/core";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { startRedisServer } from "./support/redis-server.ts";

const folder = fileURLToPath(new URL("../../../examples/shop/", import.meta.url));
const redis = await startRedisServer();
afterAll(() => redis.stop());

const started: ChildProcess[] = [];
afterEach(() => started.splice(0).forEach((child) => void child.kill("SIGKILL")));

/** A process of the example, with what it prints. */
interface ShopProcess {
  readonly printed: string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  terminate(): Promise<number | string>;
}

/** Runs a file of the example on a database of Redis. */
function run(file: string, database: number, role: Role): ShopProcess {
  const args = ["--import", "tsx", "--conditions=@busbar/source", `src/${file}`];
  const env = { ...process.env, REDIS_URL: `${redis.url}/${database}`, BUSBAR_ROLE: role };
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (printed += chunk));
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    get printed() {
      return printed;
    },
    ended,
    terminate() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** The lines below each heading, in no order: subscriptions run beside each other. */
function sections(output: string): readonly (readonly string[])[] {
  return output
    .trim()
    .split("\n\n")
    .map((section) => section.split("\n").toSorted());
}

/** What the lines of all these processes have in common with a pattern, in no order. */
function found(pattern: RegExp, ...processes: readonly ShopProcess[]): readonly string[] {
  const matches = processes.flatMap(({ printed }) => [...printed.matchAll(pattern)]);
  return matches.map(([whole, part]) => part ?? whole).toSorted();
}

describe("the shop example on Redis", () => {
  test("does in one process what it does without Redis", { timeout: 30_000 }, async () => {
    const shop = run("main.ts", 1, "shared");
    expect(await shop.ended).toBe(0);
    const expected = await readFile(`${folder}expected.txt`, "utf8");
    expect(sections(shop.printed)).toEqual(
      sections(expected.replace("Provider local", "Provider redis")),
    );
  });

  test(
    "does each thing once with a server and two workers, of which one comes late and one goes early",
    { timeout: 40_000 },
    async () => {
      const numbers = Array.from({ length: 20 }, (_, index) => 2001 + index);
      const paid = numbers.filter((number) => number % 4 !== 0);

      const early = run("worker.ts", 2, "worker");
      await eventually(() => expect(early.printed).toContain("handles events"));
      const first = run("server.ts", 2, "server");
      expect(await first.ended).toBe(0);
      expect(first.printed).toContain(`${paid.length} placed`);
      const firstReceipts = (): readonly string[] => found(/sent it to (\S+)/g, early);
      await eventually(() => expect(firstReceipts()).toHaveLength(paid.length));

      const late = run("worker.ts", 2, "worker");
      await eventually(() => expect(late.printed).toContain("handles events"));
      const second = run("server.ts", 2, "server");
      expect(await second.ended).toBe(0);
      // It ends what it has begun; all else is the other's.
      expect(await early.terminate()).toBe("SIGTERM");
      const receipts = (): readonly string[] => found(/sent it to (\S+)/g, early, late);
      await eventually(() => expect(receipts()).toHaveLength(2 * paid.length));
      await eventually(() => expect(found(/booked/g, early, late)).toHaveLength(2 * paid.length));
      await eventually(() => expect(found(/today/g, early, late)).toHaveLength(2 * paid.length));
      expect(await late.terminate()).toBe("SIGTERM");

      // Each twice, as the server ran twice, and nothing more than that at the very end.
      const customers = paid.map((number) => `customer-${number}@example.com`);
      expect(receipts()).toEqual([...customers, ...customers].toSorted());
      expect(found(/booked/g, early, late)).toHaveLength(2 * paid.length);
      expect(found(/today/g, early, late)).toHaveLength(2 * paid.length);
    },
  );
});
