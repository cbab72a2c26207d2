import type { BusHealth } from "@busbar/core";
import { assertOptions, type Checks, checks } from "@busbar/core/provider";
import { answerRead } from "./answer.ts";
import { ageSeconds, type InspectableOutbox, withinTime } from "./metrics/sources.ts";

/** Options of {@link readiness}. */
export interface ReadinessOptions {
  /**
   * Whether a bus that does some of its work is ready.
   *
   * @default false
   */
  readonly allowDegraded?: boolean | undefined;
  /** The outbox of the bus. Without it, readiness does not depend on the outbox. */
  readonly outbox?: InspectableOutbox | undefined;
  /**
   * Milliseconds for which a pending event may wait in the outbox, until the process is not ready.
   *
   * @default 60_000
   */
  readonly maxOutboxAgeMs?: number | undefined;
  /**
   * Milliseconds after which a check that has not answered has failed.
   *
   * @default 3_000
   */
  readonly timeoutMs?: number | undefined;
}

const OPTIONS: Checks<ReadinessOptions> = {
  allowDegraded: checks.boolean,
  outbox: checks.object,
  maxOutboxAgeMs: checks.positive,
  timeoutMs: checks.positive,
};

/** What is asked of a bus. Every bus has it. */
export interface BusWithHealth {
  /** As `bus.health()`. */
  health(): Promise<BusHealth>;
}

/** What one check has found, in the answer of {@link readiness}. */
export interface ReadinessCheck {
  /** Whether the check has passed. */
  readonly ok: boolean;
  /** One sentence, if there is something to say. */
  readonly detail?: string | undefined;
}

/** The body of the answer of {@link readiness}. */
export interface ReadinessReport {
  /** `ready` goes with status 200, `not-ready` with status 503. */
  readonly status: "ready" | "not-ready";
  /** Each check, by what it is about. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
}

/**
 * Makes a fetch-style handler that says that this process turns: status 200, always. It asks nothing else, so that an
 * outage of a broker restarts no process.
 *
 * @example
 * ```ts
 * app.get("/livez", (context) => liveness()(context.req.raw));
 * ```
 */
export function liveness(): (request: Request) => Promise<Response> {
  return (request) => answerRead(request, async () => json(200, { status: "alive" }));
}

/**
 * Makes a fetch-style handler that says whether this process should get work: status 200 if the bus runs and is `up`,
 * and 503 otherwise. The answer is JSON: a {@link ReadinessReport}.
 *
 * @throws TypeError when an option has a value that it cannot have.
 *
 * @example
 * ```ts
 * const ready = readiness(bus, { allowDegraded: true });
 * app.get("/readyz", (context) => ready(context.req.raw));
 * ```
 */
export function readiness(
  bus: BusWithHealth,
  options: ReadinessOptions = {},
): (request: Request) => Promise<Response> {
  assertOptions("readiness()", options, OPTIONS);
  const { allowDegraded = false, outbox, maxOutboxAgeMs = 60_000, timeoutMs = 3_000 } = options;
  const check = async (find: () => Promise<ReadinessCheck>): Promise<ReadinessCheck> => {
    try {
      return await withinTime(find(), timeoutMs);
    } catch {
      // What a driver says may hold a connection string, and the answer may be public.
      return { ok: false, detail: `could not be checked within ${timeoutMs} ms` };
    }
  };
  return (request) =>
    answerRead(request, async () => {
      const [ofBus, ofOutbox] = await Promise.all([
        check(() => checkBus(bus, allowDegraded)),
        outbox && check(() => checkOutbox(outbox, maxOutboxAgeMs)),
      ]);
      const found = { bus: ofBus, ...(ofOutbox && { outbox: ofOutbox }) };
      const isReady = Object.values(found).every(({ ok }) => ok);
      const report: ReadinessReport = {
        status: isReady ? "ready" : "not-ready",
        checks: found,
      };
      return json(isReady ? 200 : 503, report);
    });
}

async function checkBus(bus: BusWithHealth, allowDegraded: boolean): Promise<ReadinessCheck> {
  const { status, state, detail } = await bus.health();
  if (state !== "running") return { ok: false, detail: `The bus is ${state}` };
  const ok = status === "up" || (status === "degraded" && allowDegraded);
  return status === "up"
    ? { ok }
    : { ok, detail: `The bus is ${status}: ${detail ?? "no detail"}` };
}

async function checkOutbox(
  outbox: InspectableOutbox,
  maxOutboxAgeMs: number,
): Promise<ReadinessCheck> {
  const { oldestAt } = await outbox.inspect();
  const ageMs = ageSeconds(oldestAt) * 1_000;
  if (ageMs <= maxOutboxAgeMs) return { ok: true };
  return { ok: false, detail: `The oldest pending event has waited for ${Math.round(ageMs)} ms` };
}

function json(status: number, body: object) {
  return { status, type: "application/json; charset=utf-8", body: JSON.stringify(body) };
}
