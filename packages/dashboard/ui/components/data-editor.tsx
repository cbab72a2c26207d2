import type { JsonObject, JsonValue } from "@busbar/core/provider";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { plural } from "../format.ts";
import { Button } from "./button.tsx";
import { JsonField, SchemaForm } from "./schema-form.tsx";

/** What is wrong with data, by JSON pointer. */
type Faults = ReadonlyMap<string, string>;

/** The data of an event: a form made from its schema, or JSON. */
export function DataEditor(props: {
  readonly schema: JsonObject | null;
  readonly examples?: readonly JsonValue[] | undefined;
  readonly value: JsonValue | undefined;
  readonly onChange: (value: JsonValue | undefined) => void;
  readonly faults: Faults;
}): VNode {
  const { schema, examples = [], value, onChange, faults } = props;
  const [isForm, setForm] = useState(hasForm(schema));
  return (
    <>
      {(hasForm(schema) || examples.length > 0) && (
        <div class="row">
          {hasForm(schema) && (
            <>
              <Button small pressed={isForm} onClick={() => setForm(true)}>
                Form
              </Button>
              <Button small pressed={!isForm} onClick={() => setForm(false)}>
                JSON
              </Button>
            </>
          )}
          {examples.map((example, index) => (
            <Button key={index} small kind="quiet" onClick={() => onChange(example)}>
              {examples.length === 1 ? "Use the example" : `Use example ${index + 1}`}
            </Button>
          ))}
        </div>
      )}
      {isForm && schema !== null ? (
        <SchemaForm schema={schema} value={value} onChange={onChange} errors={faults} />
      ) : (
        <JsonField
          label="Data, as JSON"
          value={value}
          onChange={onChange}
          error={faults.size > 0 ? listed(faults) : undefined}
          rows={12}
        />
      )}
    </>
  );
}

/** Says why data was refused: a form has no field for every place that may be wrong. */
export function DataFaults(props: {
  readonly faults: Faults;
  readonly others: readonly string[];
}): VNode | null {
  const { faults, others } = props;
  if (others.length === 0 && faults.size === 0) return null;
  return (
    <div class="notice notice-bad pre-line" role="alert">
      {others.length > 0
        ? others.join("\n")
        : `The data does not fit the schema: ${plural(faults.size, "field")} to correct.\n${listed(faults)}`}
    </div>
  );
}

/** Whether a form can be made from a schema. */
function hasForm(schema: JsonObject | null): boolean {
  return schema?.["type"] === "object" && schema["properties"] !== undefined;
}

function listed(faults: Faults): string {
  return [...faults]
    .map(([pointer, text]) => (pointer === "" ? text : `${pointer}: ${text}`))
    .join("; ");
}
