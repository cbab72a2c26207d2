import { assertOptions, type Checks, checks } from "@busbar/core/provider";
import type { Clock } from "@busbar/core/provider";
import type { Random } from "./random.ts";
import { checkFaults, type SimulatedFaults } from "./seeded-faults.ts";
import { SimulationFailure } from "./simulation-failure.ts";
import { type SeedOutcome, simulateSeed } from "./simulation-run.ts";
import type { TestingProvider } from "./testing-provider.ts";

/** What `makeApp` may use: one world for each seed. */
export interface Simulation {
  /** The seed of this run. */
  readonly seed: number;
  /** The provider to make the bus with, or to put into the configuration of the application. */
  readonly provider: TestingProvider;
  /** The time of the run, for handlers that look at it or wait. */
  readonly clock: Clock;
  /** Chance that comes back with the seed, for scenarios that vary. */
  readonly random: Random;
  /**
   * Takes some virtual time, so that others run meanwhile. In a handler the process may crash here:
   * then this never returns, and the delivery comes again. Put it where a real handler would wait,
   * such as in a stand-in for a database.
   */
  pause(): Promise<void>;
}

/** Something with a start and a stop: a bus, or an application. */
export interface Startable {
  /** Starts it. Called before the steps of a simulation. */
  start(): Promise<void>;
  /** Stops it. Called when a simulation is over. */
  stop(options?: { readonly graceMs?: number | undefined }): Promise<void>;
}

/** What is simulated. */
export type SimulatedApp = (
  | {
      /** A bus with its subscribers, not yet started. The simulation starts and stops it. */
      readonly bus: Startable;
      readonly app?: undefined;
    }
  | {
      /** An application made by `createApp`, not yet started. The simulation starts and stops it. */
      readonly app: Startable;
      readonly bus?: undefined;
    }
) & {
  /** Emits. What is rejected or thrown fails the seed. */
  run(): void | Promise<void>;
  /** Throws if something that must always hold does not. Called when nothing is left to deliver. */
  check(): void | Promise<void>;
};

/** Options of {@link simulate}. */
export interface SimulateOptions {
  /**
   * How many seeds to run, one after the other.
   *
   * @default 1_000
   */
  readonly seeds?: number | undefined;
  /**
   * The first seed.
   *
   * @default 1
   */
  readonly from?: number | undefined;
  /** Runs this seed only, to replay it. */
  readonly seed?: number | undefined;
  /** How much goes wrong. Each seed draws its own measure of each fault, none included. */
  readonly faults?: SimulatedFaults | undefined;
  /**
   * Whether a delivery may end dead. If not, one that does fails the seed.
   *
   * @default false
   */
  readonly allowDeadLetters?: boolean | undefined;
  /**
   * Real milliseconds that the scenario, the deliveries after it and the check of one seed may take
   * each.
   *
   * @default 2_000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Real milliseconds that time stands still for handlers that wait for input and output of their own.
   * Such handlers may make a seed end otherwise when it is replayed.
   *
   * @default 0
   */
  readonly ioWaitMs?: number | undefined;
}

const OPTIONS: Checks<SimulateOptions> = {
  seeds: checks.wholeFrom(1),
  from: checks.wholeFrom(0),
  seed: checks.wholeFrom(0),
  faults: checkFaults,
  allowDeadLetters: checks.boolean,
  timeoutMs: checks.milliseconds,
  ioWaitMs: checks.milliseconds,
};

/** What a simulation that found nothing has done. */
export interface SimulationReport {
  /** Seeds that were run. */
  readonly seeds: number;
  /** Deliveries, in all of them. */
  readonly deliveries: number;
  /** Deliveries that came late. */
  readonly delays: number;
  /** Deliveries that came once more than they should. */
  readonly duplicates: number;
  /** Deliveries that ended in a crash. */
  readonly crashes: number;
}

/**
 * Runs subscribers in many worlds, each with its own disorder: deliveries come late, overtake each
 * other, come twice, and processes crash. All of it is drawn from a seed and happens on virtual time,
 * so that a seed that fails fails again. Resolves when every seed has passed.
 *
 * @param makeApp Makes bus, subscribers and state anew for each seed.
 * @throws SimulationFailure for the first seed that fails, with what happened in it.
 * @throws TypeError when no seed delivered anything, which proves nothing.
 *
 * @example
 * ```ts
 * await simulate(({ provider }) => {
 *   const bus = createEventBus({ provider });
 *   const sold = new Set<string>();
 *   bus.subscribe("order.placed", (event) => void sold.add(event.id), { subscriberId: "sales" });
 *   return {
 *     bus,
 *     run: async () => void (await bus.emit("order.placed", { orderId: "42" })),
 *     check: () => assert.equal(sold.size, 1),
 *   };
 * });
 * ```
 */
export async function simulate(
  makeApp: (simulation: Simulation) => SimulatedApp | Promise<SimulatedApp>,
  options: SimulateOptions = {},
): Promise<SimulationReport> {
  assertOptions("simulate()", options, OPTIONS);
  const { seed, seeds = 1_000, from = 1 } = options;
  const first = seed ?? from;
  const count = seed === undefined ? seeds : 1;
  const report = { seeds: count, deliveries: 0, delays: 0, duplicates: 0, crashes: 0 };
  for (let next = first; next < first + count; next++) {
    const outcome = await simulateSeed(makeApp, next, options);
    if (outcome.failure) {
      const again = await simulateSeed(makeApp, next, options);
      throw new SimulationFailure(next, outcome, isSame(outcome, again));
    }
    for (const { what } of outcome.trace) {
      if (what === "handed over") report.deliveries += 1;
      if (what === "comes late") report.delays += 1;
      if (what === "comes again") report.duplicates += 1;
      if (what === "crashed") report.crashes += 1;
    }
  }
  if (report.deliveries > 0) return report;
  throw new TypeError(
    "Nothing was delivered in any seed: make the bus with simulation.provider, subscribe, and emit in run()",
  );
}

/** Ids and data may be made by chance; what happened with them may not differ. */
function isSame(one: SeedOutcome, other: SeedOutcome): boolean {
  const textOf = ({ trace, failure }: SeedOutcome): string =>
    JSON.stringify([
      failure !== undefined,
      trace.map(({ atMs, what, event, detail }) => [
        atMs,
        what,
        event,
        what === "emitted" ? "" : detail,
      ]),
    ]);
  return textOf(one) === textOf(other);
}
