import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { DeadFilter, SubscriptionList } from "../../../src/contract/api.ts";
import { useApi } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { Field, SelectField, TextField } from "../../components/field.tsx";
import { filterNames, reasons, reasonWords } from "./dead-letters.ts";

/** More are not suggested: the browser shows them all at once. */
const mostSuggested = 500;

/** The conditions of a search for dead letters. */
export function FilterForm(props: {
  readonly filter: DeadFilter;
  readonly onSearch: (filter: DeadFilter) => void;
}): VNode {
  const { filter, onSearch } = props;
  const [draft, setDraft] = useState<DeadFilter>(filter);
  const subscriptions = useApi<SubscriptionList>("api/subscriptions").data?.subscriptions ?? [];
  const asText = JSON.stringify(filter);
  useEffect(() => setDraft(filter), [asText]);
  const set = (name: keyof DeadFilter) => (value: string) =>
    setDraft((before) => ({ ...before, [name]: value }));
  const suggestions = subscriptions
    .filter(({ dead }) => dead > 0)
    .slice(0, mostSuggested)
    .map(({ subscriberId }) => subscriberId);
  const search = (next: DeadFilter): void => {
    const given = filterNames.map((name) => [name, next[name]?.trim() ?? ""] as const);
    onSearch(Object.fromEntries(given.filter(([, value]) => value !== "")));
  };
  return (
    <form
      class="panel-body"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        search(draft);
      }}
    >
      <div class="filters filters-wide">
        <TextField
          label="Subscription"
          value={draft.subscriberId ?? ""}
          onChange={set("subscriberId")}
          suggestions={suggestions}
        />
        <TextField
          label="Event, or pattern"
          value={draft.eventName ?? ""}
          onChange={set("eventName")}
          placeholder="order.*"
        />
        <SelectField
          label="Reason"
          value={draft.reason ?? ""}
          onChange={set("reason")}
          choices={[
            { value: "", label: "Any" },
            ...reasons.map((reason) => ({ value: reason, label: reasonWords(reason)[1] })),
          ]}
        />
        <TextField
          label="Text in an error"
          value={draft.error ?? ""}
          onChange={set("error")}
          placeholder="ECONNREFUSED"
        />
        <TextField
          label="Text in the event"
          value={draft.text ?? ""}
          onChange={set("text")}
          placeholder="customer@example.com"
        />
        <TimeField label="Died from" value={draft.diedAfter} onChange={set("diedAfter")} />
        <TimeField label="Died before" value={draft.diedBefore} onChange={set("diedBefore")} />
      </div>
      <div class="row">
        <Button type="submit" kind="primary">
          Search
        </Button>
        {Object.keys(filter).length > 0 && (
          <Button
            kind="quiet"
            onClick={() => {
              setDraft({});
              search({});
            }}
          >
            Show all
          </Button>
        )}
      </div>
    </form>
  );
}

/** A field for a time of the user's own time zone. Its value is an ISO 8601 text, or empty. */
function TimeField(props: {
  readonly label: string;
  readonly value: string | undefined;
  readonly onChange: (value: string) => void;
}): VNode {
  const { label, value, onChange } = props;
  return (
    <Field label={label}>
      {(links) => (
        <input
          {...links}
          class="input"
          type="datetime-local"
          value={localText(value)}
          onChange={(event) => {
            const time = new Date(event.currentTarget.value);
            onChange(Number.isNaN(time.getTime()) ? "" : time.toISOString());
          }}
        />
      )}
    </Field>
  );
}

/** A time as its field writes it: `2026-11-30T23:00`. */
function localText(value: string | undefined): string {
  const time = new Date(value ?? "");
  if (Number.isNaN(time.getTime())) return "";
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
