import type { Logger } from "@busbar/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { Listener, type ListenerOptions } from "../src/listener.ts";

interface Started {
  readonly listener: Listener;
  readonly warnings: readonly string[];
  /** What became of the connections, in order. */
  readonly steps: readonly string[];
  readonly wakes: () => number;
}

/** Starts a listener whose database passes on its notifications, or does not. */
function start(passesOn: boolean, options: Partial<ListenerOptions> = {}): Started {
  const warnings: string[] = [];
  const steps: string[] = [];
  let wakes = 0;
  let hear = (): void => {};
  const warn = (_: object, message: string): void => void warnings.push(message);
  const logger: Logger = { debug() {}, info() {}, warn, error: warn };
  const listener = new Listener({
    feature: "outbox",
    channel: "busbar_outbox",
    logger,
    hearWithinMs: 20,
    onNotify: () => (wakes += 1),
    async listen(_, onNotify) {
      steps.push("listens");
      hear = onNotify;
      return async () => void steps.push("closed");
    },
    async notify() {
      if (passesOn) hear();
    },
    ...options,
  });
  onTestFinished(() => listener.stop());
  listener.start();
  return { listener, warnings, steps, wakes: () => wakes };
}

test("a listener is connected once its own notification has arrived", async () => {
  const { listener, warnings, wakes } = start(true);
  expect(listener.isConnected).toBe(false);
  await vi.waitUntil(() => listener.isConnected);
  expect(wakes()).toBeGreaterThan(0);
  expect(warnings).toEqual([]);
});

test("one whose notification does not arrive says why once, and gives its connection back", async () => {
  const { listener, warnings, steps } = start(false);
  await vi.waitUntil(() => steps.length === 2);
  expect(steps).toEqual(["listens", "closed"]);
  expect(listener.isConnected).toBe(false);
  expect(warnings).toEqual([
    expect.stringMatching(/^The outbox listens, and .*as behind PgBouncer in transaction mode/),
  ]);
});

test("one that is stopped before the notification arrives says nothing", async () => {
  const { listener, warnings, steps } = start(false, { hearWithinMs: 600_000 });
  await vi.waitUntil(() => steps.length === 1);
  await listener.stop();
  expect(steps).toEqual(["listens", "closed"]);
  expect(warnings).toEqual([]);
});

test("one that cannot send a notification waits for another's", async () => {
  let hear = (): void => {};
  const { listener, warnings } = start(false, {
    listen: async (_, onNotify) => {
      hear = onNotify;
      return async () => {};
    },
    notify: () => Promise.reject(new Error("away")),
  });
  await vi.waitUntil(() => listener.isConnected === false);
  hear();
  await vi.waitUntil(() => listener.isConnected);
  expect(warnings).toEqual([]);
});

test("a listener passes the payload of a notification on, and calls back without one when it may have missed some", async () => {
  const heard: (string | undefined)[] = [];
  let hear = (_payload?: string): void => {};
  start(false, {
    onNotify: (payload) => heard.push(payload),
    listen: async (_, onNotify) => {
      hear = onNotify;
      return async () => {};
    },
  });
  await vi.waitUntil(() => heard.length === 1);
  hear("a 4,17");
  expect(heard).toEqual([undefined, "a 4,17"]);
});
