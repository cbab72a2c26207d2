import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ApiError } from "../api.ts";
import { Empty, Loading, Problem } from "./page.tsx";

/** A column of a {@link Table}. */
export interface Column<Row> {
  /** The heading. Narrow screens show it in each cell. */
  readonly title: string;
  /** What the cell of a row shows. */
  readonly cell: (row: Row) => ComponentChildren;
  /** `end`: for numbers. `head`: names the row. `actions`: has buttons. @default "start" */
  readonly kind?: "start" | "end" | "head" | "actions" | undefined;
}

/** Which rows of a {@link Table} are selected. */
export interface Selection<Row> {
  /** The keys of the selected rows. */
  readonly keys: ReadonlySet<string>;
  readonly onChange: (keys: ReadonlySet<string>) => void;
  /** What a screen reader says for the box of a row, such as `Select order-emails`. */
  readonly label: (row: Row) => string;
}

/** Properties of {@link Table}. */
export interface TableProps<Row> {
  /** What the table lists: for screen readers. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  /** Undefined: not loaded yet. */
  readonly rows: readonly Row[] | undefined;
  readonly rowKey: (row: Row, index: number) => string;
  /** Why the rows could not be loaded. Rows that are there stay. */
  readonly error?: ApiError | undefined;
  /** What to show when there are no rows. */
  readonly empty?: ComponentChildren;
  readonly selection?: Selection<Row> | undefined;
}

/**
 * A table whose heading stays in sight. On narrow screens each row becomes a card. It shows when rows are loading, when
 * there are none, and when they could not be loaded.
 */
export function Table<Row>(props: TableProps<Row>): VNode {
  const { caption, columns, rows, rowKey, error, empty, selection } = props;
  if (rows === undefined) return error ? <Problem error={error} /> : <Loading />;
  return (
    <>
      <Problem error={error} />
      {rows.length === 0 ? (
        (empty ?? <Empty title="Nothing here" />)
      ) : (
        // Cards would lose the roles of a table.
        <div class="table-box">
          <table class="table" role="table" aria-label={caption}>
            <thead role="rowgroup">
              <tr role="row">
                {selection && (
                  <th role="columnheader" scope="col" class="pick">
                    <SelectAll keys={rows.map(rowKey)} selection={selection} />
                  </th>
                )}
                {columns.map(({ title, kind }) => (
                  <th
                    key={title}
                    role="columnheader"
                    scope="col"
                    class={kind === "end" ? "end" : kind === "actions" ? "cell-actions" : ""}
                  >
                    {kind === "actions" ? <span class="visually-hidden">{title}</span> : title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody role="rowgroup">
              {rows.map((row, index) => (
                <BodyRow
                  key={rowKey(row, index)}
                  {...{ row, columns, selection }}
                  id={rowKey(row, index)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function BodyRow<Row>(props: {
  readonly row: Row;
  readonly id: string;
  readonly columns: readonly Column<Row>[];
  readonly selection: Selection<Row> | undefined;
}): VNode {
  const { row, id, columns, selection } = props;
  const isSelected = selection?.keys.has(id);
  const toggle = (): void => {
    const keys = new Set(selection?.keys);
    if (!keys.delete(id)) keys.add(id);
    selection?.onChange(keys);
  };
  return (
    <tr role="row" class={isSelected ? "selected" : undefined}>
      {selection && (
        <td role="cell" class="pick">
          <input
            type="checkbox"
            checked={isSelected}
            onChange={toggle}
            aria-label={selection.label(row)}
          />
        </td>
      )}
      {columns.map(({ title, cell, kind }) =>
        kind === "head" ? (
          <td key={title} role="rowheader" class="row-head" data-label={title}>
            {cell(row)}
          </td>
        ) : (
          <td
            key={title}
            role="cell"
            data-label={title}
            class={kind === "end" ? "end" : kind === "actions" ? "cell-actions" : ""}
          >
            <div>{cell(row)}</div>
          </td>
        ),
      )}
    </tr>
  );
}

function SelectAll<Row>(props: {
  readonly keys: readonly string[];
  readonly selection: Selection<Row>;
}): VNode {
  const { keys, selection } = props;
  const box = useRef<HTMLInputElement>(null);
  const count = keys.filter((key) => selection.keys.has(key)).length;
  const isSome = count > 0 && count < keys.length;
  useEffect(() => {
    if (box.current) box.current.indeterminate = isSome;
  }, [isSome]);
  const toggle = (): void => {
    const next = new Set(selection.keys);
    for (const key of keys) {
      if (count === keys.length) next.delete(key);
      else next.add(key);
    }
    selection.onChange(next);
  };
  return (
    <input
      ref={box}
      type="checkbox"
      checked={count === keys.length}
      onChange={toggle}
      aria-label="Select all rows that are shown"
    />
  );
}
