/** A sample of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric of a scrape, with all of its samples. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary" | "untyped";
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/gy;
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const SUFFIXES: Readonly<Record<Family["type"], readonly string[]>> = {
  counter: [""],
  gauge: [""],
  untyped: [""],
  summary: ["", "_sum", "_count"],
  histogram: ["_bucket", "_sum", "_count"],
};

/**
 * Reads the text format of Prometheus, version 0.0.4, and throws at everything that Prometheus, or `promtool check
 * metrics`, does not accept: families apart, samples twice, names and labels that are none, histograms whose buckets
 * do not add up, counters below 0 or without `_total`, metrics without a help text.
 */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("The last line does not end");
  const families = new Map<string, Family & { samples: Sample[] }>();
  const seen = new Set<string>();
  let help: { readonly name: string; readonly text: string } | undefined;
  let family: (Family & { samples: Sample[] }) | undefined;
  for (const line of text.split("\n").slice(0, -1)) {
    if (line === "") continue;
    const helped = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line);
    if (helped) {
      help = { name: helped[1] as string, text: helped[2] as string };
      continue;
    }
    const typed = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`).exec(
      line,
    );
    if (typed) {
      const [, name = "", type] = typed;
      if (help?.name !== name) throw new Error(`${name} has no help`);
      if (families.has(name)) throw new Error(`${name} is there twice`);
      if (type === "counter" && !name.endsWith("_total")) throw new Error(`${name} lacks _total`);
      family = { name, type: type as Family["type"], help: help.text, samples: [] };
      families.set(name, family);
      continue;
    }
    if (line.startsWith("#")) throw new Error(`Not a comment that is known: ${line}`);
    const sample = readSample(line);
    if (!family) throw new Error(`A sample before its type: ${line}`);
    const of = family;
    if (!SUFFIXES[of.type].some((suffix) => sample.name === of.name + suffix)) {
      throw new Error(`${sample.name} is apart from its family`);
    }
    const key = `${sample.name}${keyOf(sample.labels)}`;
    if (seen.has(key)) throw new Error(`${key} is there twice`);
    seen.add(key);
    if (of.type === "counter" && !(sample.value >= 0)) throw new Error(`${line} is below 0`);
    of.samples.push(sample);
  }
  for (const it of families.values()) if (it.type === "histogram") checkHistogram(it);
  return families;
}

function readSample(line: string): Sample {
  const parts = SAMPLE.exec(line);
  if (!parts) throw new Error(`Not a sample: ${line}`);
  const [, name = "", labelText = "", valueText = ""] = parts;
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labelText.length) {
    const at = LABEL.lastIndex;
    const label = LABEL.exec(labelText);
    if (!label) throw new Error(`Not a label: ${labelText.slice(at)}`);
    const [, key = "", value = ""] = label;
    if (key in labels || (key.startsWith("__") && key !== "__name__"))
      throw new Error(`Label ${key}`);
    labels[key] = value.replaceAll(/\\([\\"n])/g, (_, it: string) => (it === "n" ? "\n" : it));
  }
  const isSpecial = /^([+-]Inf|NaN)$/.test(valueText);
  const value = isSpecial ? Number(valueText.replace("Inf", "Infinity")) : Number(valueText);
  if (Number.isNaN(value) && valueText !== "NaN") throw new Error(`Not a number: ${line}`);
  return { name, labels, value };
}

function checkHistogram({ name, samples }: Family): void {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = keyOf(labels);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, all] of series) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    const sum = all.find((sample) => sample.name === `${name}_sum`);
    const bounds = buckets.map(({ labels }) => Number(labels["le"]?.replace("Inf", "Infinity")));
    const isRising = (values: readonly number[], strictly: boolean): boolean =>
      values.every((value, index) => {
        const before = values[index - 1];
        return before === undefined || (strictly ? value > before : value >= before);
      });
    const isWhole =
      sum !== undefined &&
      isRising(bounds, true) &&
      isRising(
        buckets.map(({ value }) => value),
        false,
      ) &&
      bounds.at(-1) === Number.POSITIVE_INFINITY &&
      buckets.at(-1)?.value === count;
    if (!isWhole) throw new Error(`Histogram ${name} ${key} does not add up`);
  }
}

/** One text for the same labels in any order. */
function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
