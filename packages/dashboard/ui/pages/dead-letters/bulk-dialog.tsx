import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { DeadCount, DeadFilter, JobView } from "../../../src/contract/api.ts";
import { read, send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { TextField } from "../../components/field.tsx";
import { Problem } from "../../components/page.tsx";
import { formatCount, plural } from "../../format.ts";
import { isWithoutConditions, parametersOf } from "./dead-letters.ts";

/** Counts the dead letters that match a filter, and replays or discards all of them once the user has confirmed. */
export function BulkDialog(props: {
  readonly work: "replay" | "discard";
  readonly filter: DeadFilter;
  /** Called when the work has begun. */
  readonly onStarted: () => void;
  readonly onClose: () => void;
}): VNode {
  const { work, filter, onStarted, onClose } = props;
  const { count, looked, total, isDone, error } = useCount(filter);
  const [typed, setTyped] = useState("");
  const isReplay = work === "replay";
  const hasFilter = Object.keys(filter).length > 0;
  const run = async (): Promise<void> => {
    await send<JobView>("POST", `api/dead/${work}`, { where: filter });
    onStarted();
  };
  const found = isDone
    ? plural(count, "dead letter")
    : `${formatCount(count)} or more dead letters`;
  return (
    <ActionDialog
      title={`${isReplay ? "Replay" : "Discard"} all dead letters${hasFilter ? " that match" : ""}?`}
      action={isReplay ? `Replay ${found}` : `Discard ${found}`}
      kind={isReplay ? "primary" : "danger"}
      isReady={isDone && count > 0 && (isReplay || typed === "discard")}
      run={run}
      onClose={onClose}
    >
      <p role="status">
        {isDone
          ? hasFilter
            ? `The filter matches ${found}.`
            : `There ${count === 1 ? "is" : "are"} ${found}.`
          : `Counting: ${formatCount(count)} found in ${formatCount(looked)} of ${formatCount(total)}.`}
      </p>
      <p>
        {isReplay
          ? "Their subscriptions get the events again, as if for the first time. A delivery that dies again stays dead."
          : "They are deleted. This cannot be undone."}
      </p>
      <Conditions filter={filter} />
      <Problem error={error} />
      {!isReplay && (
        <TextField label="Type discard to confirm" value={typed} onChange={setTyped} mono />
      )}
    </ActionDialog>
  );
}

function Conditions({ filter }: { readonly filter: DeadFilter }): VNode | null {
  const given = Object.entries(filter);
  if (given.length === 0) return null;
  return (
    <dl class="facts">
      {given.map(([name, value]) => (
        <div key={name} class="fact">
          <dt>{names[name as keyof DeadFilter]}</dt>
          <dd class="mono">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const names: Readonly<Record<keyof DeadFilter, string>> = {
  subscriberId: "Subscription",
  eventName: "Event",
  reason: "Reason",
  error: "Text in an error",
  text: "Text in the event",
  diedAfter: "Died from",
  diedBefore: "Died before",
};

/** Counts what matches a filter, request by request. */
function useCount(filter: DeadFilter): {
  readonly count: number;
  readonly looked: number;
  readonly total: number;
  readonly isDone: boolean;
  readonly error: Error | undefined;
} {
  const [state, setState] = useState({ count: 0, looked: 0, total: 0, isDone: false });
  const [error, setError] = useState<Error>();
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const all = async (): Promise<void> => {
      let [count, looked] = [0, 0];
      let cursor: string | undefined;
      do {
        const path = `api/dead/count?${parametersOf(filter, cursor)}`;
        const page: DeadCount = await read<DeadCount>(path, signal);
        count += page.count;
        looked += page.looked;
        cursor = page.cursor ?? undefined;
        const { total } = page;
        if (isWithoutConditions(filter)) [count, looked, cursor] = [total, total, undefined];
        setState({ count, looked, total, isDone: cursor === undefined });
      } while (cursor !== undefined);
    };
    all().catch((failure: unknown) => {
      if (!signal.aborted)
        setError(failure instanceof Error ? failure : new Error(String(failure)));
    });
    return () => controller.abort();
  }, []);
  return { ...state, error };
}
