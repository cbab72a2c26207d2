interface Target {
  readonly expr?: unknown;
  readonly refId?: unknown;
}

interface Panel {
  readonly id?: unknown;
  readonly type?: unknown;
  readonly title?: unknown;
  readonly datasource?: { readonly type?: unknown; readonly uid?: unknown };
  readonly gridPos?: {
    readonly h: number;
    readonly w: number;
    readonly x: number;
    readonly y: number;
  };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults?: object };
}

interface Variable {
  readonly name?: unknown;
  readonly type?: unknown;
  readonly query?: unknown;
}

interface Board {
  readonly uid?: unknown;
  readonly title?: unknown;
  readonly schemaVersion?: unknown;
  readonly panels?: readonly Panel[];
  readonly templating?: { readonly list?: readonly Variable[] };
  readonly time?: object;
}

const COLUMNS = 24;
const TYPES = new Set(["row", "timeseries", "stat", "table", "bargauge", "heatmap"]);
/** Functions, operators and words of PromQL that the expressions use. */
const WORDS = new Set(
  "sum max min by or and on rate increase histogram_quantile clamp_min le vector without ignoring".split(
    " ",
  ),
);

/** What Grafana would not load, or would show wrong, in a dashboard. */
export function grafanaProblems(given: unknown): readonly string[] {
  const board = given as Board;
  const problems: string[] = [];
  const check = (ok: unknown, problem: string): void => {
    if (!ok) problems.push(problem);
  };
  const panels = board.panels ?? [];
  const variables = (board.templating?.list ?? []).map(({ name }) => String(name));
  check(typeof board.uid === "string" && /^[\w-]{1,40}$/.test(board.uid), "uid");
  check(typeof board.title === "string" && board.title !== "", "title");
  check(Number(board.schemaVersion) >= 36, "schemaVersion: below 36, Grafana migrates the file");
  check(typeof board.time === "object", "time");
  check(new Set(panels.map(({ id }) => id)).size === panels.length, "ids of panels differ");
  check(variables.includes("datasource"), "a variable for the data source");
  const taken = new Set<string>();
  for (const panel of panels) {
    const name = String(panel.title);
    check(Number.isInteger(panel.id), `${name}: id`);
    check(TYPES.has(String(panel.type)), `${name}: type ${String(panel.type)}`);
    check(name !== "" && panel.title !== undefined, `${name}: title`);
    const { h = 0, w = 0, x = -1, y = -1 } = panel.gridPos ?? {};
    check(h > 0 && w > 0 && x >= 0 && y >= 0 && x + w <= COLUMNS, `${name}: gridPos`);
    for (let column = x; column < x + w; column += 1) {
      for (let row = y; row < y + h; row += 1) {
        check(!taken.has(`${column} ${row}`), `${name}: is above another panel`);
        taken.add(`${column} ${row}`);
      }
    }
    if (panel.type === "row") continue;
    check(panel.fieldConfig?.defaults, `${name}: fieldConfig.defaults`);
    check(panel.datasource?.uid === "${datasource}", `${name}: datasource`);
    const targets = panel.targets ?? [];
    check(targets.length > 0, `${name}: targets`);
    check(new Set(targets.map(({ refId }) => refId)).size === targets.length, `${name}: refIds`);
    for (const { expr } of targets) {
      check(typeof expr === "string" && isBalanced(expr), `${name}: expr ${String(expr)}`);
      const used = String(expr).matchAll(/\$\{?(\w+)/g);
      for (const [, variable = ""] of used) {
        check(variable.startsWith("__") || variables.includes(variable), `${name}: $${variable}`);
      }
    }
  }
  return problems;
}

/** The metrics and labels that the expressions of a dashboard name. */
export function metricsIn(given: unknown): {
  readonly names: readonly string[];
  readonly labels: readonly string[];
} {
  const board = given as Board;
  const expressions = [
    ...(board.panels ?? []).flatMap(({ targets }) => targets ?? []).map(({ expr }) => String(expr)),
    ...(board.templating?.list ?? [])
      .filter(({ type }) => type === "query")
      .map(({ query }) => queryOf(query)),
  ];
  const names = new Set<string>();
  const labels = new Set<string>();
  for (const expression of expressions) {
    const bare = expression
      .replaceAll(/"[^"]*"/g, '""')
      .replaceAll(/\[[^\]]*\]/g, "")
      .replaceAll(
        /\{([^}]*)\}|\b(?:by|without|on|ignoring) ?\(([^)]*)\)/g,
        (_, matched, listed) => {
          for (const [label] of String(matched ?? listed).matchAll(/[a-z_]+/g)) labels.add(label);
          return "";
        },
      )
      .replaceAll(/label_values\(([\w]+), (\w+)\)/g, (_, name: string, label: string) => {
        labels.add(label);
        return name;
      });
    for (const [name] of bare.matchAll(/[a-z][a-z0-9_]*/g)) if (!WORDS.has(name)) names.add(name);
  }
  labels.delete("le");
  return { names: [...names], labels: [...labels] };
}

function queryOf(query: unknown): string {
  return typeof query === "string" ? query : String((query as { readonly query?: unknown }).query);
}

function isBalanced(expression: string): boolean {
  const open: string[] = [];
  const pairs: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };
  for (const character of expression.replaceAll(/"[^"]*"/g, "").replaceAll(/\$\{\w+\}/g, "v")) {
    if ("([{".includes(character)) open.push(character);
    else if (character in pairs && open.pop() !== pairs[character]) return false;
  }
  return open.length === 0;
}
