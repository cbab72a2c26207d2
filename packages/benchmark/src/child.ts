// Measures one contestant of one question, once, and sends the sample to the parent process.
import type { Budget } from "./question.ts";
import { loadQuestion } from "./question-files.ts";

const [name, contestantId, warmUpMs, measureMs] = process.argv.slice(2);
const budget: Budget = { warmUpMs: Number(warmUpMs), measureMs: Number(measureMs) };

const { contestants } = await loadQuestion(String(name));
const contestant = contestants.find(({ id }) => id === contestantId);
if (contestant === undefined) throw new Error(`${name} has no contestant ${contestantId}`);
const sample = await contestant.measure(budget);

// Alone on a terminal, for a profiler, it prints what it would send.
if (process.send === undefined) process.stdout.write(`${JSON.stringify(sample)}\n`);
else process.send(sample);
// A contestant may hold connections and timers: what matters has been measured.
process.disconnect?.();
process.exitCode = 0;
setTimeout(() => process.exit(), 100).unref();
