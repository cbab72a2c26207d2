import { wrongParameter } from "./problem.ts";

/** A subscription as Mage-OS shows it. Values are compared as they are. */
export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** Which rows a list wants, in the words of Magento. */
export interface SearchCriteria {
  /** A row must pass one filter of each group. */
  readonly filterGroups: readonly (readonly Filter[])[];
  /** The first one decides, the next ones where it does not. */
  readonly sortOrders: readonly { readonly field: string; readonly descending: boolean }[];
  readonly pageSize: number;
  readonly currentPage: number;
}

/** One condition. */
export interface Filter {
  readonly field: string;
  readonly conditionType: string;
  readonly value: string;
}

const CONDITIONS: Readonly<Record<string, (value: Row[string], wanted: string) => boolean>> = {
  eq: (value, wanted) => textOf(value) === wanted,
  neq: (value, wanted) => textOf(value) !== wanted,
  in: (value, wanted) => wanted.split(",").includes(textOf(value)),
  nin: (value, wanted) => !wanted.split(",").includes(textOf(value)),
  like: (value, wanted) => isLike(textOf(value), wanted),
  nlike: (value, wanted) => !isLike(textOf(value), wanted),
  gt: (value, wanted) => compare(value, wanted) > 0,
  gteq: (value, wanted) => compare(value, wanted) >= 0,
  from: (value, wanted) => compare(value, wanted) >= 0,
  lt: (value, wanted) => compare(value, wanted) < 0,
  lteq: (value, wanted) => compare(value, wanted) <= 0,
  to: (value, wanted) => compare(value, wanted) <= 0,
  null: (value) => value === null,
  notnull: (value) => value !== null,
};

/** Groups, filters and sort orders that a search may have. */
const MAX_INDEX = 50;

/**
 * Reads the parameters `searchCriteria[…]`: filter groups, sort orders, page size and page, in the spelling of PHP
 * (`filterGroups`) or of the database (`filter_groups`).
 *
 * @param fields The fields that rows have.
 * @throws Problem that names the parameter that is wrong.
 */
export function readSearchCriteria(
  query: URLSearchParams,
  fields: readonly string[],
): SearchCriteria {
  const groups: { -readonly [Name in keyof Filter]?: string }[][] = [];
  const sortOrders: { field?: string; descending: boolean }[] = [];
  let [pageSize, currentPage] = [100, 1];
  for (const [parameter, value] of query) {
    // An empty one asks for everything.
    if (parameter === "searchCriteria" && value === "") continue;
    const [root, ...steps] = parameter.split(/\]?\[|\]$/).filter((step) => step !== "");
    const path = steps.map((step) =>
      step.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    );
    const [part, first, filters, second, member] = path;
    if (root !== "searchCriteria") throw wrongParameter(parameter, "is not known");
    if (part === "pageSize" && path.length === 1) {
      pageSize = whole(parameter, value, 1, 500);
    } else if (part === "currentPage" && path.length === 1) {
      currentPage = whole(parameter, value, 1, 1_000_000);
    } else if (part === "sortOrders" && path.length === 3 && filters !== undefined) {
      const order = (sortOrders[index(parameter, first)] ??= { descending: false });
      if (filters === "field") order.field = fieldOf(parameter, value, fields);
      else if (filters === "direction") order.descending = isDescending(parameter, value);
      else throw wrongParameter(parameter, "must end in [field] or [direction]");
    } else if (part === "filterGroups" && filters === "filters" && path.length === 5) {
      const group = (groups[index(parameter, first)] ??= []);
      const filter = (group[index(parameter, second)] ??= {});
      if (member === "field") filter.field = fieldOf(parameter, value, fields);
      else if (member === "value") filter.value = value;
      else if (member === "conditionType") filter.conditionType = conditionOf(parameter, value);
      else throw wrongParameter(parameter, "must end in [field], [value] or [conditionType]");
    } else {
      throw wrongParameter(
        parameter,
        "must be of filterGroups, sortOrders, pageSize or currentPage, as in searchCriteria[filterGroups][0][filters][0][field]",
      );
    }
  }
  return {
    filterGroups: wholeGroups(groups),
    sortOrders: wholeOrders(sortOrders),
    pageSize,
    currentPage,
  };
}

/** The rows that pass, in their order. */
export function search<Item extends Row>(rows: readonly Item[], criteria: SearchCriteria): Item[] {
  const passes = (row: Row): boolean =>
    criteria.filterGroups.every((group) =>
      group.some(({ field, conditionType, value }) =>
        CONDITIONS[conditionType]!(row[field] ?? null, value),
      ),
    );
  return rows
    .filter((row) => passes(row))
    .toSorted((a, b) => {
      for (const { field, descending } of criteria.sortOrders) {
        const order = compare(a[field] ?? null, textOf(b[field] ?? null));
        if (order !== 0) return descending ? -order : order;
      }
      return 0;
    });
}

function wholeGroups(
  groups: readonly (readonly Partial<Filter>[])[],
): readonly (readonly Filter[])[] {
  return groups.filter(Boolean).map((group) =>
    group.filter(Boolean).map(({ field, value = "", conditionType = "eq" }) => {
      if (field === undefined)
        throw wrongParameter("searchCriteria", "has a filter without a field");
      return { field, value, conditionType };
    }),
  );
}

function wholeOrders(
  orders: readonly { readonly field?: string; readonly descending: boolean }[],
): SearchCriteria["sortOrders"] {
  return orders.filter(Boolean).map(({ field, descending }) => {
    if (field === undefined)
      throw wrongParameter("searchCriteria", "has a sort order without a field");
    return { field, descending };
  });
}

function fieldOf(parameter: string, field: string, fields: readonly string[]): string {
  if (fields.includes(field)) return field;
  throw wrongParameter(parameter, `must be one of ${fields.join(", ")}`);
}

function conditionOf(parameter: string, condition: string): string {
  if (Object.hasOwn(CONDITIONS, condition)) return condition;
  throw wrongParameter(parameter, `must be one of ${Object.keys(CONDITIONS).join(", ")}`);
}

function isDescending(parameter: string, direction: string): boolean {
  if (/^(asc|desc)$/i.test(direction)) return direction.toLowerCase() === "desc";
  throw wrongParameter(parameter, "must be ASC or DESC");
}

function index(parameter: string, text: string | undefined): number {
  return whole(parameter, text ?? "", 0, MAX_INDEX - 1);
}

function whole(parameter: string, text: string, least: number, most: number): number {
  const number = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw wrongParameter(parameter, `must have a whole number from ${least} to ${most}`);
}

function textOf(value: Row[string]): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  return value === null ? "" : String(value);
}

function compare(value: Row[string], wanted: string): number {
  const text = textOf(value);
  const difference = Number(text) - Number(wanted);
  if (text !== "" && wanted !== "" && !Number.isNaN(difference)) return difference;
  return text < wanted ? -1 : text === wanted ? 0 : 1;
}

/** SQL's LIKE without a regular expression: its time grows with the product of both lengths at most. */
function isLike(text: string, pattern: string): boolean {
  const [given, wanted] = [text.toLowerCase(), pattern.toLowerCase()];
  let [at, position, star, mark] = [0, 0, -1, 0];
  while (at < given.length) {
    if (wanted[position] === "%") {
      star = position;
      mark = at;
      position += 1;
    } else if (wanted[position] === "_" || wanted[position] === given[at]) {
      at += 1;
      position += 1;
    } else if (star !== -1) {
      position = star + 1;
      mark += 1;
      at = mark;
    } else return false;
  }
  return /^%*$/.test(wanted.slice(position));
}
