import { useState } from "preact/hooks";

/** Which of the rows that a table shows are selected. */
export interface Selected<Row> {
  /** The selected rows, in the order of the table. A row that a filter hides, or that is gone, is not among them. */
  readonly rows: readonly Row[];
  /** The keys of these rows. */
  readonly keys: ReadonlySet<string>;
  /** Replaces the selection. */
  readonly setKeys: (keys: ReadonlySet<string>) => void;
  /** Selects nothing. */
  readonly clear: () => void;
}

/**
 * Keeps the selection of a table whose rows change. Only rows that the user sees can be acted on.
 *
 * @param rows The rows that the table shows. Undefined: not loaded yet.
 * @param keyOf Returns the key of a row, as the table has it.
 */
export function useSelection<Row>(
  rows: readonly Row[] | undefined,
  keyOf: (row: Row) => string,
): Selected<Row> {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const selected = (rows ?? []).filter((row) => chosen.has(keyOf(row)));
  return {
    rows: selected,
    keys: new Set(selected.map(keyOf)),
    setKeys: setChosen,
    clear: () => setChosen(new Set()),
  };
}
