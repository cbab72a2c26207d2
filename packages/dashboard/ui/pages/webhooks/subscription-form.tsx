import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { useApi } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { CheckField, SelectField, TextArea, TextField } from "../../components/field.tsx";
import { Panel, Problem } from "../../components/page.tsx";
import { faultsOf, JsonField, SchemaForm } from "../../components/schema-form.tsx";
import { useReadOnly } from "../../session.ts";
import type { CatalogueView, NotifierView, WebhookView } from "./views.ts";

/** What a user writes into the form. */
export type Draft = Pick<
  WebhookView,
  | "label"
  | "events"
  | "destination"
  | "notifier"
  | "settings"
  | "scope"
  | "filter"
  | "payload"
  | "retry"
  | "rate"
  | "concurrency"
  | "orderingKey"
  | "onOrderedFailure"
  | "redact"
  | "enabled"
> & {
  /** Of a new subscription. Empty: it is made at random. */
  readonly secret: string;
};

/** A new subscription before the user has written anything. */
export const newDraft: Draft = {
  label: null,
  events: [],
  destination: "",
  notifier: "http",
  settings: {},
  scope: null,
  filter: null,
  payload: "once",
  retry: { type: "standard" },
  rate: null,
  concurrency: 10,
  orderingKey: null,
  onOrderedFailure: "skip",
  redact: [],
  enabled: true,
  secret: "",
};

/** Properties of {@link SubscriptionForm}. */
export interface SubscriptionFormProps {
  readonly notifiers: readonly NotifierView[];
  readonly initial: Draft;
  readonly isNew: boolean;
  /** What the button says. */
  readonly action: string;
  /** Sends the draft. If it rejects, the form shows what is wrong at the fields. */
  readonly submit: (draft: Draft) => Promise<void>;
}

type SetDraft = (change: Partial<Draft>) => void;

interface PartProps {
  readonly draft: Draft;
  readonly set: SetDraft;
  /** What is wrong with a member, such as `events`. */
  readonly wrong: (member: string) => string | undefined;
}

/** A form for a webhook subscription. The settings come from the schema of the notifier. */
export function SubscriptionForm(props: SubscriptionFormProps): VNode {
  const { notifiers, initial, isNew, action, submit } = props;
  const readOnly = useReadOnly();
  const [draft, setDraft] = useState(initial);
  const [error, setError] = useState<Error>();
  const [isRunning, setRunning] = useState(false);
  const set: SetDraft = (change) => setDraft((before) => ({ ...before, ...change }));
  const { byPointer, others } = faultsOf(error, "#");
  const wrong = (member: string): string | undefined => {
    const found = [...byPointer].filter(
      ([pointer]) => pointer === `/${member}` || pointer.startsWith(`/${member}/`),
    );
    return found.length === 0 ? undefined : found.map(([, text]) => text).join("; ");
  };
  const send = async (): Promise<void> => {
    if (isRunning) return;
    setRunning(true);
    setError(undefined);
    try {
      await submit(draft);
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setRunning(false);
  };
  const notifier = notifiers.find(({ name }) => name === draft.notifier);
  const part = { draft, set, wrong };
  return (
    <form
      class="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <Panel title="What is delivered, and where to">
        <Basics {...part} notifiers={notifiers} />
      </Panel>
      {notifier && hasMembers(notifier.settings) && (
        <Panel title={`Settings of ${notifier.title}`}>
          <SchemaForm
            key={notifier.name}
            schema={notifier.settings}
            value={draft.settings}
            onChange={(value) => set({ settings: (value ?? {}) as JsonObject })}
            errors={faultsOf(error, "#/settings").byPointer}
          />
          {!isNew && (
            <p class="hint">
              A secret that was stored shows as [secret]. Leave it as it is to keep it.
            </p>
          )}
        </Panel>
      )}
      {isNew && notifier?.signs === true && (
        <Panel title="Secret">
          <TextField
            label="Secret that signs deliveries"
            required={false}
            mono
            type="password"
            value={draft.secret}
            onChange={(secret) => set({ secret })}
            hint="Empty: a secret is made at random, and shown once."
            error={wrong("secret")}
          />
        </Panel>
      )}
      <Panel title="How it is delivered">
        <Delivery {...part} />
      </Panel>
      {error && <Problem error={byPointer.size === 0 ? new Error(others.join("\n")) : summary} />}
      <div class="row">
        <Button type="submit" kind="primary" disabled={isRunning} reason={readOnly}>
          {isRunning ? "Working…" : action}
        </Button>
      </div>
    </form>
  );
}

const summary = new Error("Some fields are not right: see what is written below them.");

function Basics(props: PartProps & { readonly notifiers: readonly NotifierView[] }): VNode {
  const { draft, set, wrong, notifiers } = props;
  const events = useApi<{ readonly items: readonly CatalogueView[] }>("api/webhooks/events");
  const names = events.data?.items.map(({ name }) => name) ?? [];
  return (
    <>
      <TextField
        label="Label"
        required={false}
        value={draft.label ?? ""}
        onChange={(label) => set({ label: label === "" ? null : label })}
        hint="What people call the subscription."
        error={wrong("label")}
      />
      <LinesField
        label="Events"
        required
        lines={draft.events}
        onChange={(lines) => set({ events: lines })}
        hint={
          <>
            One name or pattern in each line, such as <code>order.placed</code> or{" "}
            <code>order.*</code>.{names.length > 0 && ` In the catalogue: ${names.join(", ")}.`}
          </>
        }
        error={wrong("events")}
      />
      <SelectField
        label="Notifier"
        value={draft.notifier}
        onChange={(notifier) => set({ notifier, settings: {} })}
        choices={notifiers.map(({ name, title }) => ({ value: name, label: title }))}
        error={wrong("notifier")}
      />
      <TextField
        label="Destination"
        required
        mono
        value={draft.destination}
        onChange={(destination) => set({ destination })}
        placeholder="https://example.com/hooks"
        hint="A URL, a queue or an ARN, as the notifier has it."
        error={wrong("destination")}
      />
      <TextField
        label="Scope"
        required={false}
        value={draft.scope ?? ""}
        onChange={(scope) => set({ scope: scope === "" ? null : scope })}
        hint="Only events of this scope, such as a shop or a tenant. Empty: all scopes."
        error={wrong("scope")}
      />
      <CheckField
        label="Enabled"
        checked={draft.enabled}
        onChange={(enabled) => set({ enabled })}
        hint="Deliveries of a disabled subscription wait."
      />
    </>
  );
}

function Delivery({ draft, set, wrong }: PartProps): VNode {
  const optional = (value: JsonValue | undefined): JsonObject | null =>
    (value ?? null) as JsonObject | null;
  return (
    <>
      <SelectField
        label="The payload is made"
        value={draft.payload}
        onChange={(payload) => set({ payload: payload as Draft["payload"] })}
        choices={[
          { value: "emitted", label: "when the event is emitted" },
          { value: "once", label: "once, before the first attempt" },
          { value: "attempt", label: "anew for each attempt" },
        ]}
        error={wrong("payload")}
      />
      <JsonField
        label="Filter"
        required={false}
        rows={4}
        value={draft.filter ?? undefined}
        onChange={(value) => set({ filter: optional(value) })}
        hint={'Only events that pass, such as {"data.total": {"$gte": 100}}. Empty: all.'}
        error={wrong("filter")}
      />
      <JsonField
        label="Retries"
        required
        rows={4}
        value={draft.retry}
        onChange={(value) => set({ retry: value as JsonObject })}
        hint="The policy: standard, mageos, exponential, linear, schedule or none."
        error={wrong("retry")}
      />
      <WholeField
        label="Attempts at the same time"
        required
        value={draft.concurrency}
        onChange={(concurrency) => set({ concurrency })}
        error={wrong("concurrency")}
      />
      <JsonField
        label="Rate"
        required={false}
        rows={2}
        value={draft.rate ?? undefined}
        onChange={(value) => set({ rate: optional(value) as Draft["rate"] })}
        hint={'How many attempts may begin, such as {"max": 10, "perMs": 1000}. Empty: no limit.'}
        error={wrong("rate")}
      />
      <TextField
        label="Ordering key"
        required={false}
        mono
        value={draft.orderingKey ?? ""}
        onChange={(key) => set({ orderingKey: key === "" ? null : key })}
        hint="$event, or the path of a value in the payload. Deliveries with equal keys arrive in order. Empty: no order."
        error={wrong("orderingKey")}
      />
      {draft.orderingKey !== null && (
        <SelectField
          label="A dead delivery of a key"
          value={draft.onOrderedFailure}
          onChange={(value) => set({ onOrderedFailure: value as Draft["onOrderedFailure"] })}
          choices={[
            { value: "skip", label: "is skipped" },
            { value: "park", label: "holds up the next ones" },
          ]}
          error={wrong("onOrderedFailure")}
        />
      )}
      <LinesField
        label="Redacted in the log"
        required={false}
        lines={draft.redact}
        onChange={(redact) => set({ redact })}
        hint="One path of the payload in each line, such as customer.email."
        error={wrong("redact")}
      />
    </>
  );
}

type LinesFieldProps = Omit<Parameters<typeof TextArea>[0], "value" | "onChange"> & {
  readonly lines: readonly string[];
  readonly onChange: (lines: readonly string[]) => void;
};

function LinesField({ lines, onChange, ...field }: LinesFieldProps): VNode {
  // The text as typed: empty lines and spaces must not vanish under the cursor.
  const [text, setText] = useState(lines.join("\n"));
  return (
    <TextArea
      {...field}
      rows={3}
      value={text}
      onChange={(typed) => {
        setText(typed);
        onChange(
          typed
            .split("\n")
            .map((line) => line.trim())
            .filter((line) => line !== ""),
        );
      }}
    />
  );
}

type WholeFieldProps = Omit<Parameters<typeof TextField>[0], "value" | "onChange"> & {
  readonly value: number;
  readonly onChange: (value: number) => void;
};

function WholeField({ value, onChange, ...field }: WholeFieldProps): VNode {
  const [text, setText] = useState(String(value));
  const isWhole = /^\s*\d+\s*$/.test(text);
  const fault = isWhole ? undefined : "Write a whole number, such as 10.";
  return (
    <TextField
      {...field}
      value={text}
      onChange={(typed) => {
        setText(typed);
        onChange(Number(typed));
      }}
      error={fault ?? field.error}
      fault={fault}
    />
  );
}

function hasMembers(schema: JsonObject): boolean {
  const { properties } = schema;
  return (
    typeof properties === "object" && properties !== null && Object.keys(properties).length > 0
  );
}
