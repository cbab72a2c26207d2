import type { Metric, Question, Unit } from "./question.ts";
import type { Answer, Spread } from "./statistics.ts";

type Row = readonly string[];

/** The answer as text: a table of what was measured, and one of what was compared. */
export function report(answer: Answer, { metrics, unit }: Question): string {
  const label = (id: string): string =>
    answer.contestants.find((contestant) => contestant.id === id)?.label ?? id;
  const measured = [
    [what(unit), ...metrics.map((metric) => metric.label)],
    ...answer.contestants.map((contestant) => [
      contestant.label,
      ...metrics.map(({ id, unit: own = unit }) => amount(contestant.metrics[id], own)),
    ]),
  ];
  const compared = answer.ratios.map(({ of, to, metrics: spreads, atLeast, met }) => [
    pair(label(of), label(to)),
    ...metrics.map(({ id }) => `${ratio(spreads[id])}${verdict(met?.[id])}`),
    atLeast === undefined ? "" : `≥ ${atLeast} ×`,
  ]);
  const limited = answer.limits.map(({ of, below, met }) => [
    label(of),
    ...metrics.map(({ id }) => verdict(met[id]).trim()),
    `< ${below} ${limitUnit(met, metrics, unit).type}`,
  ]);
  const head = (first: string): Row => [first, ...metrics.map((it) => it.label), "target"];
  return [
    `${answer.name}: ${answer.title}`,
    `median (lowest to highest) of ${answer.rounds} rounds`,
    "",
    table(measured),
    ...(compared.length > 0
      ? ["", table([head(unit.type === "bytes" ? "times as small" : "times as fast"), ...compared])]
      : []),
    ...(limited.length > 0 ? ["", table([head("limit"), ...limited])] : []),
    "",
  ].join("\n");
}

/** One line for each target, to end with. */
export function targetLines(answers: readonly Answer[], questions: readonly Question[]): string {
  const lines = answers.flatMap((answer, index) =>
    [...answer.ratios, ...answer.limits].flatMap((it) => {
      const met = it.met;
      if (met === undefined) return [];
      const metrics = questions[index]?.metrics ?? [];
      const missed = metrics.filter(({ id }) => met[id] === false);
      const target =
        "to" in it
          ? `${pair(it.of, it.to)} ≥ ${it.atLeast} ×`
          : `${it.of} < ${it.below} ${limitUnit(met, metrics, answer.unit).type}`;
      const note = missed.map((metric) => metric.label).join(", ");
      return [`${note === "" ? "pass" : "FAIL"}  ${answer.name}: ${target}  ${note}`.trimEnd()];
    }),
  );
  return lines.join("\n");
}

/** The unit of a limit: that of the metrics that have the limit. */
function limitUnit(
  met: Readonly<Record<string, boolean>>,
  metrics: readonly Metric[],
  unit: Unit,
): Unit {
  return metrics.find(({ id }) => Object.hasOwn(met, id))?.unit ?? unit;
}

/** What both end with after a comma is said once: `A, x` and `B, x` are `A : B, x`. */
function pair(of: string, to: string): string {
  const shared = /, .*$/.exec(of)?.[0];
  return shared !== undefined && to.endsWith(shared)
    ? `${of.slice(0, -shared.length)} : ${to}`
    : `${of} : ${to}`;
}

function what(unit: Unit): string {
  if (unit.type === "ns") return `time per ${unit.per}`;
  if (unit.type === "bytes") return `bytes per ${unit.per}`;
  return { ms: "milliseconds", MB: "megabytes", count: "number" }[unit.type];
}

function amount(spread: Spread | undefined, unit: Unit): string {
  if (spread === undefined) return "";
  const { median, min, max } = spread;
  if (unit.type === "bytes") return `${grouped(median)} (${grouped(min)} to ${grouped(max)})`;
  if (unit.type !== "ns") {
    const digits = unit.type === "ms" ? 2 : 1;
    const [middle, low, high] = [median, min, max].map((it) => it.toFixed(digits));
    return `${middle} (${low} to ${high})`;
  }
  const perSecond = grouped(Number((1e9 / median).toPrecision(3)));
  return `${grouped(median)} ns (${grouped(min)} to ${grouped(max)}), ${perSecond}/s`;
}

function ratio(spread: Spread | undefined): string {
  if (spread === undefined) return "";
  const [median, min, max] = [spread.median, spread.min, spread.max].map((it) => it.toFixed(2));
  return `${median} × (${min} to ${max})`;
}

function verdict(met: boolean | undefined): string {
  if (met === undefined) return "";
  return met ? " pass" : " FAIL";
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString("en").replaceAll(",", " ");
}

function table(rows: readonly Row[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("   "))
    .map((line) => `  ${line}`.trimEnd())
    .join("\n");
}
