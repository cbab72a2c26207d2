// pnpm bench [part of a question's name ...] [--rounds n] [--warm-up ms] [--measure ms]
import { parseArgs } from "node:util";
import { installPeers } from "./peers.ts";
import { loadQuestion, questionNames } from "./question-files.ts";
import { report, targetLines } from "./report.ts";
import { machine, writeResults } from "./results-file.ts";
import { type Effort, runRounds } from "./rounds.ts";
import { answer } from "./statistics.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "9" },
    "warm-up": { type: "string", default: "500" },
    measure: { type: "string", default: "1000" },
  },
});
const effort: Effort = {
  rounds: positive("rounds", values.rounds),
  warmUpMs: positive("warm-up", values["warm-up"]),
  measureMs: positive("measure", values.measure),
};

const known = questionNames();
const names =
  positionals.length === 0
    ? known
    : known.filter((name) => positionals.some((part) => name.includes(part)));
if (names.length === 0) fail(`No such question. There are: ${known.join(", ")}`);

const questions = await Promise.all(names.map(loadQuestion));
if (questions.some((question) => question.needsPeers === true)) await installPeers();

const { cpu, cores, memoryGb, node } = machine();
process.stdout.write(`${cpu}, ${cores} cores, ${memoryGb} GB, Node ${node}\n\n`);
const answers = [];
for (const [index, question] of questions.entries()) {
  const name = names[index] as string;
  const rounds = Math.min(effort.rounds, question.maxRounds ?? Infinity);
  const samples = await runRounds(name, question, { ...effort, rounds }, (round) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${name}: round ${round} of ${rounds} `);
  });
  if (process.stderr.isTTY) process.stderr.write("\r");
  const summed = answer(name, question, samples);
  process.stdout.write(`${report(summed, question)}\n`);
  answers.push(summed);
}
writeResults(effort, answers);
const metrics = questions.map((question) => question.metrics);
process.stdout.write(
  `${targetLines(answers, metrics)}\n\npackages/benchmark/results/latest.json\n`,
);

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  return fail(`--${option} needs a whole number above 0`);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
