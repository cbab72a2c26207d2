import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { peerFolder } from "./peers.ts";
import type { Contestant, Question, Sample } from "./question.ts";

/** Starts in one round of one contestant: one start alone says little. */
const STARTS = 15;

const ours = fileURLToPath(new URL("../", import.meta.url));

/** Starts Node with a program that imports packages and nothing else, a few times. */
async function measureStarts(folder: string, names: readonly string[]): Promise<Sample> {
  const imports = names.map((name) => `import ${JSON.stringify(name)};`).join(" ");
  // Since the process began, what Node takes for itself included.
  const report = `
    const { user, system } = process.cpuUsage();
    console.log(JSON.stringify({ cpu: (user + system) / 1_000, elapsed: performance.now() }));`;
  const args = ["--input-type=module", "--eval", `${imports} ${report}`];
  const starts: { readonly cpu: number; readonly elapsed: number }[] = [];
  for (let start = 0; start < STARTS; start++) {
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
    starts.push(JSON.parse(stdout) as (typeof starts)[number]);
  }
  return {
    cpu: middle(starts.map(({ cpu }) => cpu)),
    elapsed: middle(starts.map(({ elapsed }) => elapsed)),
  };
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function contestant(
  id: string,
  label: string,
  folder: string,
  ...names: readonly string[]
): Contestant {
  return { id, label, measure: () => measureStarts(folder, names) };
}

/** How long does a process take that imports a bus, before its first line runs? */
export const question: Question = {
  title: "Start of a process that imports one package, Node included",
  unit: { type: "ms" },
  metrics: [
    { id: "cpu", label: "CPU time" },
    { id: "elapsed", label: "elapsed" },
  ],
  contestants: [
    contestant("node", "Node alone", ours),
    contestant("busbar", "@busbar/core", ours, "@busbar/core"),
    contestant(
      "busbar-local",
      "@busbar/core and @busbar/local",
      ours,
      "@busbar/core",
      "@busbar/local",
    ),
    contestant(
      "busbar-redis",
      "@busbar/core and @busbar/redis",
      ours,
      "@busbar/core",
      "@busbar/redis",
    ),
    contestant("emittery", "emittery", peerFolder, "emittery"),
    contestant("bullmq", "bullmq", peerFolder, "bullmq"),
    contestant("bullmq-ioredis", "bullmq and ioredis", peerFolder, "bullmq", "ioredis"),
    contestant("nestjs", "@nestjs/common", peerFolder, "@nestjs/common"),
  ],
  comparisons: [
    { of: "busbar", to: "emittery", atLeast: 0.77 },
    { of: "busbar", to: "bullmq" },
    { of: "busbar", to: "nestjs" },
    { of: "busbar-redis", to: "bullmq-ioredis" },
  ],
  needs: ["peers"],
};
