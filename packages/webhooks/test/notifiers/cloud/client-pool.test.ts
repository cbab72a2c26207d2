import { afterEach, expect, test, vi } from "vitest";
import { ClientPool } from "../../../src/notifiers/cloud/client-pool.ts";
import { optionalLibrary } from "../../../src/notifiers/cloud/optional-library.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** A pool whose clients are the numbers in which they were opened, and those that were closed. */
function newPool(): {
  readonly closed: number[];
  readonly pool: ClientPool<number>;
  take(key: string): ReturnType<ClientPool<number>["take"]>;
} {
  const closed: number[] = [];
  const pool = new ClientPool<number>((client) => closed.push(client));
  let opened = 0;
  return {
    closed,
    pool,
    take: (key) =>
      pool.take(key, async () => {
        opened += 1;
        return opened;
      }),
  };
}

test("opens one client for all who ask at once", async () => {
  const { take } = newPool();
  const leases = await Promise.all(["a", "a", "b"].map((key) => take(key)));
  expect(leases.map(({ client }) => client)).toEqual([1, 1, 2]);
});

test("opens another client after one that could not be opened", async () => {
  const { pool, take } = newPool();
  await expect(pool.take("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect((await take("a")).client).toBe(1);
});

test("closes a broken client when nobody uses it any more, and gives it to nobody else", async () => {
  const { closed, take } = newPool();
  const [first, second] = await Promise.all([take("a"), take("a")]);
  first.release(true);
  expect((await take("a")).client).toBe(2);
  expect(closed).toEqual([]);
  second.release(false);
  await expect.poll(() => closed).toEqual([1]);
});

test("closes a client that nobody has used for a minute", async () => {
  vi.useFakeTimers();
  const { closed, take } = newPool();
  (await take("a")).release(false);
  await vi.advanceTimersByTimeAsync(59_000);
  const again = await take("a");
  await vi.advanceTimersByTimeAsync(120_000);
  expect(closed).toEqual([]);
  again.release(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(closed).toEqual([1]);
});

test("keeps 64 clients, and closes the one that was used first", async () => {
  const { closed, take } = newPool();
  const busy = await take("busy");
  for (let n = 0; n < 64; n += 1) (await take(String(n))).release(false);
  await expect.poll(() => closed).toEqual([2]);
  busy.release(false);
});

test("closes all clients, also those in use, and opens none after that", async () => {
  const { closed, pool, take } = newPool();
  const { release } = await take("a");
  await pool.close();
  expect(closed).toEqual([1]);
  release(false);
  expect(closed).toEqual([1]);
  await expect(take("a")).rejects.toMatchObject({ errorClass: "interrupted" });
});

test("says what to install when a library is not there", async () => {
  const name: string = "no-such-library";
  await expect(optionalLibrary(name, () => import(name))).rejects.toMatchObject({
    errorClass: "invalid_settings",
    retryable: true,
    message: "The package no-such-library is not installed: npm install no-such-library",
  });
});
