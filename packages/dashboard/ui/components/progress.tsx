import type { VNode } from "preact";
import { useId } from "preact/hooks";
import { formatCount } from "../format.ts";
import { Button } from "./button.tsx";

/** How far a long piece of work is, with a button that cancels it. */
export function Progress(props: {
  /** What is done: `Replaying dead letters`. */
  readonly label: string;
  readonly done: number;
  /** Undefined: not known. */
  readonly total: number | undefined;
  readonly onCancel?: (() => void) | undefined;
}): VNode {
  const { label, done, total, onCancel } = props;
  const id = useId();
  return (
    <div class="stack-tight">
      <div class="row row-between">
        <label for={id}>{label}</label>
        <span class="number muted">
          {formatCount(done)}
          {total !== undefined && ` of ${formatCount(total)}`}
        </span>
      </div>
      <progress id={id} max={total ?? 1} value={total === undefined ? undefined : done} />
      {onCancel && (
        <div class="row row-end">
          <Button small onClick={onCancel}>
            Cancel
          </Button>
        </div>
      )}
    </div>
  );
}
