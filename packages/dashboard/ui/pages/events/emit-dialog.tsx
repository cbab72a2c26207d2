import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { EmitResult } from "../../../src/contract/api.ts";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { DataEditor, DataFaults } from "../../components/data-editor.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { faultsOf } from "../../components/schema-form.tsx";
import { startOf } from "../../components/start-of.ts";
import { useToast } from "../../components/toast-context.ts";
import { plural } from "../../format.ts";

/** Emits an event with data that the user writes, in a form made from its schema or as JSON. */
export function EmitDialog(props: {
  readonly name: string;
  readonly schema: JsonObject | null;
  readonly examples: readonly JsonValue[];
  /** The ids of the subscriptions that get it. Undefined: not known yet. */
  readonly subscriptions: readonly string[] | undefined;
  readonly onClose: () => void;
}): VNode {
  const { name, schema, examples, subscriptions, onClose } = props;
  const showToast = useToast();
  const [data, setData] = useState<JsonValue | undefined>(
    () => examples[0] ?? (schema === null ? undefined : startOf(schema)),
  );
  const [delay, setDelay] = useState("");
  const [to, setTo] = useState("");
  const [failure, setFailure] = useState<unknown>();
  const { byPointer, others } = faultsOf(failure, "#/data");
  // 1.1 seconds would be 1100.0000000000002 milliseconds.
  const delayMs = Math.round(Number(delay) * 1000);
  const isDelayWrong = !Number.isFinite(delayMs) || delayMs < 0;

  const emit = async (): Promise<void> => {
    setFailure(undefined);
    try {
      const { eventId } = await send<EmitResult>(
        "POST",
        `api/events/${encodeURIComponent(name)}/emit`,
        {
          data: data ?? null,
          ...(delayMs > 0 && { delayMs }),
          ...(to !== "" && { to: [to] }),
        },
      );
      showToast(`Emitted ${name} with the id ${eventId}.`);
    } catch (error) {
      setFailure(error);
      throw error;
    }
  };
  return (
    <ActionDialog
      title={`Emit ${name}`}
      action="Emit"
      wide
      isReady={!isDelayWrong}
      run={emit}
      onClose={onClose}
      showsProblem={false}
    >
      <p>
        {audienceOf(to === "" ? subscriptions : [to])}
        {schema === null
          ? " The event has no schema that can be shown."
          : " The bus checks the data against the schema first."}
      </p>
      <DataEditor
        schema={schema}
        examples={examples}
        value={data}
        onChange={setData}
        faults={byPointer}
      />
      {subscriptions !== undefined && subscriptions.length > 1 && (
        <SelectField
          label="Deliver to"
          value={to}
          onChange={setTo}
          choices={[
            { value: "", label: "All subscriptions of the event" },
            ...subscriptions.map((id) => ({ value: id, label: id })),
          ]}
        />
      )}
      <TextField
        label="Delay in seconds"
        required={false}
        value={delay}
        onChange={setDelay}
        error={isDelayWrong ? "Write a number of seconds, such as 10." : undefined}
        hint="The event is delivered after this time. Empty: at once."
      />
      <DataFaults faults={byPointer} others={others} />
    </ActionDialog>
  );
}

function audienceOf(subscriptions: readonly string[] | undefined): string {
  if (subscriptions === undefined) return "This is a real event.";
  if (subscriptions.length === 0) return "No subscription gets this event.";
  const named = subscriptions.slice(0, 5).join(", ") + (subscriptions.length > 5 ? ", …" : "");
  return `This is a real event: ${plural(subscriptions.length, "subscription")} will get it (${named}).`;
}
