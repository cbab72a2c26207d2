import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
// @boundaries-ignore the servers of all tests
import { ensureProgram } from "../../../.ci/servers/programs.mjs";
// @boundaries-ignore the servers of all tests
import { startServer, type TestServer } from "../../../.ci/servers/start-server.mjs";
import { eventually, folder, found, run, sections } from "./shop-process.ts";

const ADDRESSES = { redis: "REDIS_URL", postgres: "DATABASE_URL", nats: "NATS_URL" } as const;

let server: TestServer | undefined;
let database: string | undefined;
afterEach(async () => {
  await server?.stop();
  if (database) await rm(database, { recursive: true, force: true });
});

/** The environment for a provider, with a server of its own. */
async function startProvider(
  provider: keyof typeof ADDRESSES,
): Promise<Readonly<Record<string, string>>> {
  ensureProgram(provider);
  server = await startServer(provider);
  database = await mkdtemp(join(tmpdir(), "busbar-shop-"));
  const SHOP_DATABASE = join(database, "shop.db");
  return { SHOP_DATABASE, BUSBAR_PROVIDER: provider, [ADDRESSES[provider]]: server.url };
}

describe.for(["redis", "postgres", "nats"] as const)("the shop example on %s", (provider) => {
  test("does in one process what it does on the local provider", { timeout: 60_000 }, async () => {
    const shop = run("main.ts", "shared", await startProvider(provider));
    expect(await shop.ended).toBe(0);
    const expected = await readFile(`${folder}expected.txt`, "utf8");
    expect(sections(shop.printed)).toEqual(
      sections(expected.replace("Provider local", `Provider ${provider}`)),
    );
  });

  test(
    "does each thing once with a server and two workers, of which one starts late and one ends early",
    { timeout: 60_000 },
    async () => {
      const environment = await startProvider(provider);
      const numbers = Array.from({ length: 20 }, (_, index) => 2001 + index);
      const paid = numbers.filter((number) => number % 4 !== 0);

      const early = run("worker.ts", "worker", environment);
      await eventually(() => expect(early.printed).toContain("handles events"));
      const first = run("server.ts", "server", environment);
      expect(await first.ended).toBe(0);
      expect(first.printed).toContain(`${paid.length} placed`);
      const firstReceipts = (): readonly string[] => found(/sent it to (\S+)/g, early);
      await eventually(() => expect(firstReceipts()).toHaveLength(paid.length));

      const late = run("worker.ts", "worker", environment);
      await eventually(() => expect(late.printed).toContain("handles events"));
      const second = run("server.ts", "server", environment);
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
