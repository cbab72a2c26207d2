import { FaultyDelivery } from "./faulty-delivery.ts";
import { InstrumentedProvider } from "./instrumented-provider.ts";
import { createRandom } from "./random.ts";
import { SeededFaults } from "./seeded-faults.ts";
import type { SimulatedApp, SimulateOptions, Simulation } from "./simulate.ts";
import type { TraceEntry } from "./trace.ts";

/** How the run of a seed ended. */
export interface SeedOutcome {
  /** Absent when it passed. */
  readonly failure?: { readonly error: unknown } | undefined;
  readonly trace: readonly TraceEntry[];
}

/** Runs one seed, in a world of its own. Never rejects. */
export async function simulateSeed(
  makeApp: (simulation: Simulation) => SimulatedApp | Promise<SimulatedApp>,
  seed: number,
  options: SimulateOptions,
): Promise<SeedOutcome> {
  const { timeoutMs, ioWaitMs, allowDeadLetters = false } = options;
  const faults = new SeededFaults(seed, options.faults ?? {});
  // Apart from each other: a scenario that draws one number more has the same faults.
  const random = createRandom(~seed);
  const jitter = createRandom(seed ^ 0x5bd1e995);
  const provider = new InstrumentedProvider({ timeoutMs, ioWaitMs, random: jitter }, [faults]);
  const { clock, recorder } = provider;

  async function pause(): Promise<void> {
    if (FaultyDelivery.current(provider)?.crashesAtPause()) await new Promise<never>(() => {});
    const ms = faults.pauseMs();
    await new Promise<void>((resolve) => {
      clock.setTimeout(resolve, ms, { keepAlive: true });
    });
  }

  async function run(made: SimulatedApp): Promise<void> {
    await provider.during(
      called(() => made.run()),
      "run()",
    );
    await provider.drain();
    const dead = recorder.trace.entries.find(({ what }) => what === "dead");
    if (dead && !allowDeadLetters) throw new Error(`A dead letter: ${dead.event} ${dead.detail}`);
    await provider.during(
      called(() => made.check()),
      "check()",
    );
  }

  const errors: unknown[] = [];
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  };
  await attempt(async () => {
    const made = await makeApp({ seed, provider, clock, random, pause });
    const running = made.bus ?? made.app;
    if (!running) throw new TypeError("What is simulated needs a bus or an app");
    await attempt(async () => {
      await running.start();
      await run(made);
    });
    await running.stop({ graceMs: 0 });
  });
  const { entries: trace } = recorder.trace;
  // What comes after the first error may be its consequence.
  return errors.length > 0 ? { failure: { error: errors[0] }, trace } : { trace };
}

/** A throw is a rejection like any other. */
async function called(callback: () => void | Promise<void>): Promise<void> {
  await callback();
}
