// The page of benchmarks: a chart for each question and metric, from packages/benchmark/results.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesIn, root } from "../lib.mjs";

const results = join(root, "packages/benchmark/results");
/** Pixels of a chart: its width, the place of its bars, and the height of a row. */
const [width, left, right, row, bar] = [720, 230, 150, 30, 18];

/** Writes the page into a file. Without results it says so. */
export function writeBenchmarks(file) {
  const answers = (existsSync(results) ? filesIn(results) : [])
    .filter((it) => it.endsWith(".json"))
    .map((it) => ({
      node: it.split("/")[0],
      ...JSON.parse(readFileSync(join(results, it), "utf8")),
    }));
  // The newest Node first.
  const nodes = [...new Set(answers.map(({ node }) => node))].toSorted((a, b) =>
    b.localeCompare(a),
  );
  const parts = nodes.flatMap((node) => [
    `## ${node.replace("node-", "Node ")}`,
    ...answers.filter((it) => it.node === node).map(sectionOf),
  ]);
  const text = [
    "# Benchmarks",
    "Each chart compares Busbar with other libraries, in one run on one machine. A shorter bar is better. A bar is the median of its rounds, and the thin line reaches from the lowest to the highest round.",
    "Compare the bars of one chart. Times of two machines say nothing about two releases. `pnpm bench` in a clone of the repository asks each question again, and the README of `packages/benchmark` says how.",
    ...(parts.length === 0 ? ["The repository holds no results."] : parts),
  ];
  writeFileSync(file, `${text.join("\n\n")}\n`);
}

function sectionOf({ name, title, unit, metrics, contestants, rounds, measured }) {
  const { machine, date, commit } = measured;
  return [
    `### ${title}`,
    ...metrics.map((metric) => chart(metric, metric.unit ?? unit, contestants, title)),
    `<small>Question \`${name}\`, ${rounds} ${rounds === 1 ? "round" : "rounds"}, ${date}, commit ${commit}: ${machine.cpu}, ${machine.cores} cores, Node ${machine.node.slice(1)}</small>`,
  ].join("\n\n");
}

/** An SVG in one piece: an empty line would end the HTML of a page. */
function chart(metric, unit, contestants, title) {
  const bars = contestants.filter((it) => Number.isFinite(it.metrics[metric.id]?.median));
  const most = Math.max(...bars.map((it) => it.metrics[metric.id].max));
  const scale = (value) => Math.max(1, (value / most) * (width - left - right));
  const heading = `${metric.label}, ${whatOf(unit)}`;
  const rows = bars.map(({ id, label, metrics }, index) => {
    const { median, min, max } = metrics[metric.id];
    const top = index * row + (row - bar) / 2;
    const middle = top + bar / 2;
    const fill = id.startsWith("busbar") ? "var(--vp-c-brand-1)" : "var(--vp-c-text-3)";
    return [
      `<text x="${left - 10}" y="${middle + 4}" text-anchor="end">${escaped(label)}</text>`,
      `<rect x="${left}" y="${top}" width="${scale(median).toFixed(1)}" height="${bar}" fill="${fill}"/>`,
      `<path d="M${at(min)} ${middle}H${at(max)}" stroke="currentColor"/>`,
      `<text x="${left + Number(scale(max).toFixed(1)) + 8}" y="${middle + 4}">${amount(median, unit)}</text>`,
    ].join("");
  });
  const said = bars
    .map(({ label, metrics }) => `${label}: ${amount(metrics[metric.id].median, unit)}`)
    .join("; ");
  return [
    `**${escaped(heading)}**`,
    "",
    `<svg viewBox="0 0 ${width} ${bars.length * row}" role="img" aria-label="${escaped(`${title}, ${heading}. ${said}`)}" font-size="13" fill="currentColor">${rows.join("")}</svg>`,
  ].join("\n");

  function at(value) {
    return (left + scale(value)).toFixed(1);
  }
}

function whatOf(unit) {
  if (unit.type === "ns") return `time per ${unit.per}`;
  if (unit.type === "bytes") return `bytes per ${unit.per}`;
  return { ms: "milliseconds", MB: "megabytes", count: "number" }[unit.type];
}

function amount(value, unit) {
  if (unit.type !== "ns") {
    const suffix = { ms: " ms", MB: " MB", bytes: " B", count: "" }[unit.type];
    return `${three(value)}${suffix}`;
  }
  if (value < 1_000) return `${three(value)} ns`;
  return value < 1_000_000 ? `${three(value / 1_000)} µs` : `${three(value / 1_000_000)} ms`;
}

function three(value) {
  return String(Number(value.toPrecision(3)));
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
