/** What a number is: time or memory for each of these, time it takes, megabytes left behind, a count. */
export type Unit =
  | { readonly type: "ns" | "bytes"; readonly per: string }
  | { readonly type: "ms" | "MB" | "count" };

/** Something that a round measures of each contestant. Less is better. */
export interface Metric {
  /** The key of a {@link Sample}. */
  readonly id: string;
  readonly label: string;
  /** What its numbers are, if not what those of the question are. */
  readonly unit?: Unit;
}

/** What one contestant took in one round, by the id of the metric. */
export type Sample = Readonly<Record<string, number>>;

/** How long a child process runs and measures. */
export interface Budget {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What takes part in a question. */
export interface Contestant {
  readonly id: string;
  readonly label: string;
  /** Runs in a process of its own, once per round. */
  readonly measure: (budget: Budget) => Promise<Sample>;
}

/** Two contestants, compared round by round: how many times as fast `of` is as `to`. */
export interface Comparison {
  readonly of: string;
  readonly to: string;
  /** What the project wants to reach; shown, never enforced. */
  readonly atLeast?: number;
  /** The id of the metric that has to reach it, if it is not for all of them. */
  readonly metric?: string;
}

/** The most that a contestant should measure. */
export interface Limit {
  readonly of: string;
  readonly below: number;
  /** The ids of the metrics, if it is not for all of them. */
  readonly metric?: string | readonly string[];
}

/** A program that has to be on the PATH: a question that misses one is left out. */
export type NeededProgram = "redis-server" | "postgres" | "nats-server";

/** Packages of others, which are installed when they are needed; or a program. */
export type Need = "peers" | NeededProgram;

/** What one `*.bench.ts` file exports as `question`. */
export interface Question {
  readonly title: string;
  readonly unit: Unit;
  readonly metrics: readonly Metric[];
  readonly contestants: readonly Contestant[];
  readonly comparisons?: readonly Comparison[];
  readonly limits?: readonly Limit[];
  /** What it cannot be asked without. */
  readonly needs?: readonly Need[];
  /** For the processes that measure. */
  readonly nodeFlags?: readonly string[];
  /** Rounds, where the usual number would take too long. */
  readonly maxRounds?: number;
}
