import { describe, expect, test, vi } from "vitest";
import { AuditLog } from "../src/audit.ts";
import { type JobDefinition, Jobs } from "../src/jobs.ts";

const audit = { caller: "ada", action: "dead.discard", target: "filter", details: {} };

/** A job that has done 1 of 2 steps, and the second one when it is cancelled. */
const untilCancelled: JobDefinition = {
  what: "discard dead letters",
  audit,
  run: (signal, onProgress) =>
    new Promise((resolve) => {
      onProgress({ looked: 9, matched: 1, done: 1, total: 9 });
      signal.addEventListener("abort", () => resolve({ looked: 9, matched: 2, done: 2 }));
    }),
};

describe("jobs", () => {
  test("end when they are cancelled, and say what was done", async () => {
    const log = new AuditLog(undefined);
    const jobs = new Jobs(log, () => undefined);
    const { id } = jobs.start(untilCancelled);
    expect(jobs.get(id)).toMatchObject({ state: "running", matched: 1, done: 1, total: 9 });
    jobs.cancel(id);
    await vi.waitFor(() => expect(jobs.get(id)).toMatchObject({ state: "cancelled", done: 2 }));
    expect(log.list()).toMatchObject([{ ...audit, details: { id, state: "cancelled", done: 2 } }]);
    jobs.cancel(id);
    expect(jobs.get(id).state).toBe("cancelled");
  });

  test("are three at a time, and end with the bus", async () => {
    const jobs = new Jobs(new AuditLog(undefined), () => undefined);
    for (let n = 0; n < 3; n += 1) jobs.start(untilCancelled);
    expect(() => jobs.start(untilCancelled)).toThrow("3 jobs are running");
    jobs.close();
    await vi.waitFor(() => expect(jobs.list().map(({ state }) => state)).not.toContain("running"));
    expect(jobs.start(untilCancelled).state).toBe("running");
  });

  test("that fail say why", async () => {
    const log = new AuditLog(undefined);
    const jobs = new Jobs(log, () => undefined);
    const { id } = jobs.start({ ...untilCancelled, run: () => Promise.reject(new Error("gone")) });
    await vi.waitFor(() => expect(jobs.get(id)).toMatchObject({ state: "failed", error: "gone" }));
    expect(log.list()[0]).toMatchObject({ result: "failed" });
  });

  test("are forgotten, the oldest first, but not while they run", async () => {
    const jobs = new Jobs(new AuditLog(undefined), () => undefined);
    const running = jobs.start(untilCancelled);
    for (let n = 0; n < 60; n += 1) {
      const { id } = jobs.start({
        ...untilCancelled,
        run: async () => ({ looked: 9, matched: 0, done: 0 }),
      });
      await vi.waitFor(() => expect(jobs.get(id).state).toBe("done"), { interval: 1 });
    }
    expect(jobs.list()).toHaveLength(50);
    expect(jobs.get(running.id).state).toBe("running");
  });
});
