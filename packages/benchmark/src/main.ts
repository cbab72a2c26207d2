// pnpm bench [part of a question's name ...] [--node version ...] [--rounds n] [--warm-up ms] [--measure ms]
import { parseArgs } from "node:util";
import { natsServerVersion } from "./nats-server.ts";
import { installPeers } from "./peers.ts";
import { postgresVersion } from "./postgres-server.ts";
import type { NeededProgram } from "./question.ts";
import { loadQuestion, questionNames } from "./question-files.ts";
import { redisServerVersion } from "./redis-server.ts";
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

const loaded = await Promise.all(
  names.map(async (name) => ({ name, question: await loadQuestion(name) })),
);
const programs: Readonly<Record<NeededProgram, string | undefined>> = {
  "redis-server": redisServerVersion(),
  postgres: postgresVersion(),
  "nats-server": natsServerVersion(),
};
const missing = loaded.flatMap(({ name, question: { needs = [] } }) =>
  needs
    .filter((need) => need !== "peers" && programs[need] === undefined)
    .map((program) => ({ name, program })),
);
for (const { name, program } of missing) {
  process.stderr.write(`Left out, as no ${program} is on the PATH: ${name}\n`);
}
const asked = loaded.filter(({ name }) => !missing.some((it) => it.name === name));
if (asked.some(({ question }) => question.needs?.includes("peers") === true)) await installPeers();

const { cpu, cores, memoryGb, node } = machine();
process.stdout.write(`${cpu}, ${cores} cores, ${memoryGb} GB, Node ${node}\n\n`);
const answers = [];
for (const { name, question } of asked) {
  const rounds = Math.min(effort.rounds, question.maxRounds ?? Infinity);
  const samples = await runRounds(name, question, { ...effort, rounds }, (round) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${name}: round ${round} of ${rounds} `);
  });
  if (process.stderr.isTTY) process.stderr.write("\r");
  const summed = answer(name, question, samples);
  process.stdout.write(`${report(summed, question)}\n`);
  answers.push(summed);
}
const resultsFile = writeResults(effort, programs, answers);
const questions = asked.map(({ question }) => question);
process.stdout.write(
  `${targetLines(answers, questions)}\n\npackages/benchmark/results/${resultsFile}\n`,
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
