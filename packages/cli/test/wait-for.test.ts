import { expect, test } from "vitest";
import { endsWithin, isDone } from "../src/wait-for.ts";

const never = new Promise<never>(() => {});

test("endsWithin: says whether a function has ended, and passes on how it fails", async () => {
  expect(await endsWithin(() => {}, 60_000)).toBe(true);
  expect(await endsWithin(async () => {}, 60_000)).toBe(true);
  expect(await endsWithin(() => never, 5)).toBe(false);
  const fails = (): never => {
    throw new Error("busy");
  };
  await expect(endsWithin(fails, 60_000)).rejects.toThrow("busy");
});

test("isDone: waits for work for as long as nobody ends the command", async () => {
  expect(await isDone(Promise.resolve(), new AbortController().signal)).toBe(true);
  // What is done in time counts, also after the end of the command.
  expect(await isDone(Promise.resolve(), AbortSignal.abort())).toBe(true);
  expect(await isDone(never, AbortSignal.abort())).toBe(false);
  await expect(isDone(Promise.reject(new Error("busy")), AbortSignal.abort())).rejects.toThrow();
});
