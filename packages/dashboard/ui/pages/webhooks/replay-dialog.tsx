import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { ChoiceField, TextField } from "../../components/field.tsx";
import { Problem } from "../../components/page.tsx";
import { useToast } from "../../components/toast-context.ts";
import { plural } from "../../format.ts";
import { go, href } from "../../router.ts";
import type { ReplayView } from "./views.ts";

/** Replays all deliveries that a search finds, after it has counted them. */
export function ReplayDialog(props: {
  /** `query`, `since` and `until`. An absent member sets no condition. */
  readonly search: Readonly<Record<string, string>>;
  readonly onClose: () => void;
}): VNode {
  const { search, onClose } = props;
  const showToast = useToast();
  const [to, setTo] = useState("original");
  const [perSecond, setPerSecond] = useState("");
  const [count, setCount] = useState<number>();
  const [error, setError] = useState<Error>();
  const body = { ...search, to, ...(perSecond !== "" && { perSecond: Number(perSecond) }) };

  useEffect(() => {
    let isCurrent = true;
    setCount(undefined);
    setError(undefined);
    send<{ count: number }>("POST", "api/webhooks/replays", { ...search, to, dryRun: true }).then(
      (found) => isCurrent && setCount(found.count),
      (failure: unknown) =>
        isCurrent && setError(failure instanceof Error ? failure : new Error(String(failure))),
    );
    return () => {
      isCurrent = false;
    };
  }, [to, JSON.stringify(search)]);

  const start = async (): Promise<void> => {
    await send<ReplayView>("POST", "api/webhooks/replays", body);
    showToast("The replay has begun.");
    go(href("/webhooks/replays"));
  };
  const deliveries = count === undefined ? "" : plural(count, "delivery", "deliveries");
  return (
    <ActionDialog
      title="Replay what the search finds?"
      action={count === undefined ? "Replay" : `Replay ${deliveries}`}
      isReady={count !== undefined && count > 0}
      run={start}
      onClose={onClose}
    >
      <p>
        Search: <code>{search["query"] ?? "everything"}</code>
        {search["since"] !== undefined && ` since ${search["since"]}`}
        {search["until"] !== undefined && ` before ${search["until"]}`}
      </p>
      <ChoiceField
        label="Who gets the events"
        value={to}
        onChange={setTo}
        choices={[
          {
            value: "original",
            label: "The subscriptions of the deliveries",
            hint: "Each delivery is made again, with its id and its payload.",
          },
          {
            value: "matched",
            label: "The subscriptions that want the events now",
            hint: "The events are matched anew.",
          },
        ]}
      />
      <TextField
        label="Deliveries per second"
        required={false}
        value={perSecond}
        onChange={setPerSecond}
        hint="Empty: as fast as the endpoints take them."
      />
      <p role="status">
        {error ? "" : count === undefined ? "Counting…" : `The search finds ${deliveries}.`}
      </p>
      <Problem error={error} />
    </ActionDialog>
  );
}
