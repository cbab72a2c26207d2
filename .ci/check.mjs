// Runs every gate, one line each, goes on after a failure and fails at the end. A gate that waits most of its time
// runs in the background, while the next ones run.
// `pnpm check types lint` runs only those, and what begins with a hyphen goes to them.
import { run } from "./lib.mjs";

/** In this order: later gates use what "build" made. */
const gates = [
  { name: "lockfile", command: "pnpm install --frozen-lockfile" },
  { name: "build", command: "turbo run --no-color build --output-logs=errors-only" },
  { name: "types", command: "turbo run --no-color typecheck --continue --output-logs=errors-only" },
  { name: "lint", command: "oxlint" },
  { name: "format", command: "oxfmt --check" },
  { name: "boundaries", command: "turbo boundaries --no-color" },
  { name: "imports", command: "node .ci/import-rules.mjs" },
  { name: "comments", command: "node .ci/doc-comments.mjs" },
  { name: "lua", command: "node .ci/lua.mjs" },
  { name: "bullmq", command: "node .ci/bullmq.mjs" },
  { name: "packages", command: "node .ci/packages.mjs" },
  { name: "first-hour", command: "node .ci/first-hour.mjs" },
  // After first-hour, which has a time limit of its own.
  { name: "newest-node", command: "node .ci/newest-node.mjs", inBackground: true },
  { name: "unused", command: "knip --no-progress --treat-config-hints-as-errors" },
  { name: "snippets", command: "node .ci/doc-snippets.mjs" },
  { name: "links", command: "node .ci/doc-links.mjs" },
  { name: "docs", command: "node .ci/site/build.mjs" },
  { name: "english", command: "node .ci/plain-english.mjs" },
  { name: "proofs", command: "node .ci/proofs.mjs" },
  { name: "providers", command: "node .ci/providers-page.mjs --check" },
  { name: "typescript", command: "node .ci/typescript.mjs" },
  { name: "examples", command: "node .ci/run-examples.mjs" },
  { name: "deploy", command: "node .ci/deploy.mjs" },
  { name: "bundles", command: "node .ci/bundles.mjs" },
  { name: "size", command: "node .ci/size.mjs" },
  { name: "changesets", command: "node .ci/changesets.mjs" },
];

const wanted = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const options = process.argv.slice(2).filter((word) => word.startsWith("-"));
const unknown = wanted.filter((name) => !gates.some((gate) => gate.name === name));
if (unknown.length > 0) {
  console.error(`No such gate: ${unknown.join(", ")}`);
  console.error(`There are: ${gates.map((gate) => gate.name).join(", ")}`);
  process.exit(2);
}

const failed = [];
const started = performance.now();
const background = [];
for (const gate of gates) {
  if (wanted.length > 0 && !wanted.includes(gate.name)) continue;
  const done = runGate(gate);
  if (gate.inBackground) background.push(done);
  else await done;
}
await Promise.all(background);
const total = `${((performance.now() - started) / 1000).toFixed(1)} s`;
if (failed.length === 0) console.log(`\nEvery gate passed in ${total}`);
else console.log(`\n${failed.length} failed: ${failed.join(", ")} (${total})`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function runGate({ name, command }) {
  const from = performance.now();
  const [program, ...args] = command.split(" ");
  const result = await run(program, [...args, ...options]);
  const seconds = `${((performance.now() - from) / 1000).toFixed(1)} s`.padStart(7);
  if (result.code === 0) {
    // Our own gates end with one line that says what they looked at.
    const note = program === "node" ? `  ${result.stdout.trimEnd().split("\n").at(-1)}` : "";
    console.log(`ok    ${name.padEnd(11)}${seconds}${note}`);
  } else {
    failed.push(name);
    console.log(`FAIL  ${name.padEnd(11)}${seconds}  ${command}`);
    console.log(result.output.trimEnd().replaceAll(/^/gm, "      "));
  }
}
