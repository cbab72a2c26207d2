import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Budget, Contestant, Question, Sample } from "./question.ts";

const child = fileURLToPath(new URL("child.js", import.meta.url));
/** Applications look for their modules from the folder they are started in. */
const cwd = fileURLToPath(new URL("../", import.meta.url));

/** How often and how long it is measured. */
export interface Effort extends Budget {
  readonly rounds: number;
}

/** Samples of each contestant, in the order of the rounds. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/**
 * Asks a question in rounds. In each round every contestant runs once, in a process of its own: what
 * one does to the compiler, the heap or the promises of its process does not reach another. Each
 * round starts with another contestant, so that none always has the same neighbours in time.
 */
export async function runRounds(
  name: string,
  question: Question,
  effort: Effort,
  progress: (round: number) => void,
): Promise<Samples> {
  const samples = new Map<string, Sample[]>(question.contestants.map(({ id }) => [id, []]));
  for (let round = 0; round < effort.rounds; round++) {
    progress(round + 1);
    for (const { id } of rotated(question.contestants, round)) {
      samples.get(id)?.push(await measure(name, id, question.nodeFlags ?? [], effort));
    }
  }
  return samples;
}

function rotated(contestants: readonly Contestant[], by: number): readonly Contestant[] {
  const start = by % contestants.length;
  return [...contestants.slice(start), ...contestants.slice(0, start)];
}

function measure(
  name: string,
  contestantId: string,
  execArgv: readonly string[],
  { warmUpMs, measureMs }: Budget,
): Promise<Sample> {
  return new Promise((resolve, reject) => {
    const args = [name, contestantId, String(warmUpMs), String(measureMs)];
    const process = fork(child, args, { cwd, execArgv: [...execArgv] });
    let sample: Sample | undefined;
    process.on("message", (message) => {
      sample = message as Sample;
    });
    process.on("error", reject);
    process.on("close", (code) => {
      if (sample !== undefined) resolve(sample);
      else reject(new Error(`${contestantId} in ${name} measured nothing (exit code ${code})`));
    });
  });
}
