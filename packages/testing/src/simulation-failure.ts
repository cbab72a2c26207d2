import type { SeedOutcome } from "./simulation-run.ts";
import { formatTrace } from "./trace.ts";

/** Lines of the trace that fit into a message. */
const SHOWN_LINES = 200;

/** A seed of a simulation in which something did not hold. `cause` is what was thrown. */
export class SimulationFailure extends Error {
  /** Always `SimulationFailure`. */
  override readonly name: string = "SimulationFailure";
  /** Give it to `simulate` to have the same happen again: `{ seed }`. */
  readonly seed: number;
  /** What happened, a line each. Events are numbered; attempts count from 1. */
  readonly trace: readonly string[];
  /** Whether a second run of the seed went the same way. */
  readonly replays: boolean;

  constructor(seed: number, { failure, trace }: SeedOutcome, replays: boolean) {
    const cause = failure?.error;
    const lines = formatTrace(trace);
    const reason = cause instanceof Error ? cause.message : String(cause);
    const left = lines.length - SHOWN_LINES;
    const shown =
      left > 0 ? [`… ${left} lines, which are in \`trace\``, ...lines.slice(left)] : lines;
    const advice = replays
      ? `Replay it alone: simulate(makeApp, { seed: ${seed} })`
      : `A second run of seed ${seed} went otherwise: something in the application depends on what is no part of the simulation, such as Math.random, the system's time, or state that outlives a seed`;
    super(
      [
        `Seed ${seed} fails: ${reason}`,
        "",
        "What happened:",
        ...shown.map((line) => `  ${line}`),
        "",
        advice,
      ].join("\n"),
      { cause },
    );
    this.seed = seed;
    this.trace = lines;
    this.replays = replays;
  }
}
