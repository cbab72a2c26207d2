import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  Breaker,
  type EndpointHealth,
  type EndpointIncident,
  type EndpointOutcome,
  HEALTHY,
} from "../../src/deliver/breaker.ts";

const HOUR = 3_600_000;
const success: EndpointOutcome = { ok: true, retryable: false, isProbe: false };
const failure: EndpointOutcome = { ok: false, retryable: true, isProbe: false };
const rejection: EndpointOutcome = { ok: false, retryable: false, isProbe: false };

/** An endpoint through time, each of whose attempts begins only if it may. */
class Endpoint {
  health: EndpointHealth = HEALTHY;
  readonly incidents: EndpointIncident[] = [];
  now = 0;
  readonly breaker: Breaker;

  constructor(breaker: Breaker = new Breaker()) {
    this.breaker = breaker;
  }

  get admits(): string {
    return this.breaker.admits(this.health, this.now);
  }

  /** An attempt of an endpoint that is closed, or one that had begun while it was. */
  attempt(outcome: EndpointOutcome, times = 1): void {
    for (let each = 0; each < times; each += 1) {
      const after = this.breaker.after(this.health, outcome, this.now);
      this.health = after.health;
      this.incidents.push(...after.incidents);
    }
  }

  /** Waits for the breaker to let an attempt through. */
  probe(outcome: EndpointOutcome): void {
    this.now = Math.max(this.now, this.health.openUntil ?? 0);
    expect(this.admits).toBe("probe");
    this.health = this.breaker.probing(this.health, this.now, 60_000);
    expect(this.admits).toBe("none");
    this.attempt({ ...outcome, isProbe: true });
  }
}

describe("Breaker", () => {
  test("opens after ten retryable failures in a row", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(failure, 9);
    endpoint.attempt(success);
    endpoint.attempt(failure, 9);
    expect(endpoint.admits).toBe("any");
    endpoint.attempt(failure);
    expect(endpoint.admits).toBe("none");
    expect(endpoint.health).toMatchObject({ breaker: "open", openUntil: 30_000, failures: 10 });
  });

  test("does not open for failures that another attempt could not mend", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(rejection, 40);
    endpoint.attempt(failure, 9);
    expect(endpoint.health).toMatchObject({ breaker: "closed", failures: 49 });
  });

  test("lets one attempt through when it has been open for a while, and closes when that succeeds", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(failure, 10);
    endpoint.now = 29_999;
    expect(endpoint.admits).toBe("none");
    endpoint.probe(success);
    expect(endpoint.admits).toBe("any");
    expect(endpoint.health).toEqual(HEALTHY);
    expect(endpoint.incidents).toEqual([{ kind: "recovered", failures: 10, failingSince: 0 }]);
  });

  test("stays open twice as long with each attempt that fails, up to an hour", () => {
    const endpoint = new Endpoint(new Breaker({ disableAfterFailures: false }));
    endpoint.attempt(failure, 10);
    const waits: number[] = [];
    for (let each = 0; each < 9; each += 1) {
      waits.push((endpoint.health.openUntil ?? 0) - endpoint.now);
      endpoint.probe(each % 2 === 0 ? failure : rejection);
    }
    expect(waits.map((wait) => wait / 1_000)).toEqual([
      30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600,
    ]);
  });

  test("lets another attempt through when the process of the first has died", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(failure, 10);
    endpoint.now = 30_000;
    endpoint.health = endpoint.breaker.probing(endpoint.health, endpoint.now, 60_000);
    endpoint.now = 89_999;
    expect(endpoint.admits).toBe("none");
    endpoint.now = 90_000;
    expect(endpoint.admits).toBe("probe");
  });

  test("does not count failures of attempts that had begun before it opened", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(failure, 500);
    expect(endpoint.health).toMatchObject({ breaker: "open", failures: 10, opened: 1 });
    endpoint.now = 30_000;
    endpoint.health = endpoint.breaker.probing(endpoint.health, endpoint.now, 60_000);
    endpoint.attempt(failure, 500);
    expect(endpoint.health).toMatchObject({ breaker: "half-open", failures: 10 });
  });

  test("closes with any attempt that succeeds", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(failure, 10);
    endpoint.attempt(success);
    expect(endpoint.health).toEqual(HEALTHY);
  });

  test("warns once each at 50, 70 and 90 percent, and disables after 100 failures", () => {
    const endpoint = new Endpoint(new Breaker({ openAfter: false, disableAfterMs: false }));
    endpoint.attempt(failure, 100);
    expect(endpoint.incidents.map((each) => ({ ...each, failingSince: undefined }))).toEqual([
      { kind: "warning", percent: 50, failures: 50 },
      { kind: "warning", percent: 70, failures: 70 },
      { kind: "warning", percent: 90, failures: 90 },
      { kind: "disabled", reason: "failures", failures: 100 },
    ]);
  });

  test("disables what fails for 120 hours, with warnings on the way", () => {
    const endpoint = new Endpoint(new Breaker({ disableAfterFailures: false }));
    endpoint.attempt(failure, 10);
    while (endpoint.incidents.at(-1)?.kind !== "disabled") endpoint.probe(failure);
    expect(
      endpoint.incidents.map((each) => (each.kind === "warning" ? each.percent : each.kind)),
    ).toEqual([50, 70, 90, "disabled"]);
    expect(endpoint.now / HOUR).toBeGreaterThanOrEqual(120);
    expect(endpoint.now / HOUR).toBeLessThan(121.1);
    expect(endpoint.incidents.at(-1)).toMatchObject({ reason: "failing", failingSince: 0 });
  });

  test("does not disable for two failures that are a week apart", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(failure);
    endpoint.now = 7 * 24 * HOUR;
    endpoint.attempt(failure);
    expect(endpoint.incidents).toEqual([]);
  });

  test("gives the highest warning only when several are due", () => {
    const breaker = new Breaker({ openAfter: false, disableAfterFailures: 2 });
    const endpoint = new Endpoint(breaker);
    endpoint.attempt(failure);
    expect(endpoint.incidents).toMatchObject([{ percent: 50 }]);
    const late = new Endpoint(new Breaker({ openAfter: 1, disableAfterFailures: false }));
    late.attempt(failure);
    late.now = 110 * HOUR;
    late.probe(failure);
    expect(late.incidents).toMatchObject([{ percent: 90 }]);
  });

  test("tells nobody of a single failure among successes", () => {
    const endpoint = new Endpoint();
    endpoint.attempt(failure);
    endpoint.attempt(success);
    expect(endpoint.incidents).toEqual([]);
  });

  test("never has more than one attempt under way while it is not closed, and ends with a success", () => {
    const step = fc.record({
      ok: fc.boolean(),
      retryable: fc.boolean(),
      waitMs: fc.nat({ max: 2 * HOUR }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const endpoint = new Endpoint();
        for (const { ok, retryable, waitMs } of steps) {
          endpoint.now += waitMs;
          if (endpoint.admits === "probe") endpoint.probe({ ok, retryable, isProbe: false });
          else endpoint.attempt({ ok, retryable, isProbe: false });
          const { breaker, failures, warned, openUntil, failingSince } = endpoint.health;
          expect(breaker).not.toBe("half-open");
          expect(breaker === "open").toBe(openUntil !== null);
          expect(failures > 0).toBe(failingSince !== null);
          if (ok) expect(endpoint.health).toEqual(HEALTHY);
          expect([0, 50, 70, 90]).toContain(warned);
        }
      }),
    );
  });
});
