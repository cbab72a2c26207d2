import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { JsonObject, JsonValue } from "@busbar/core/provider";
import { ApiError } from "../api.ts";
import { CheckField, SelectField, TextArea, TextField } from "./field.tsx";

/** Properties of {@link SchemaForm}. */
export interface SchemaFormProps {
  /** JSON Schema of the value. What the form has no field for is edited as JSON. */
  readonly schema: JsonObject;
  readonly value: JsonValue | undefined;
  /** Called with the new value; undefined: the user has emptied it. */
  readonly onChange: (value: JsonValue | undefined) => void;
  /** What is wrong, by JSON pointer into the value: `/orderId`; the value itself is the empty text. */
  readonly errors?: ReadonlyMap<string, string> | undefined;
  readonly disabled?: boolean | undefined;
}

/** A form made from a JSON Schema. */
export function SchemaForm(props: SchemaFormProps): VNode {
  const { schema, value, onChange, errors = new Map(), disabled } = props;
  const shared = { root: schema, errors, disabled };
  return (
    <Node
      {...shared}
      schema={resolve(schema, schema)}
      value={value}
      onChange={onChange}
      pointer=""
      label="Value"
      required={undefined}
    />
  );
}

/**
 * Sorts the faults that an answer names: those within a value by their pointer in it, and the rest as sentences.
 *
 * @param within The place of the value in the body of the request, such as `#/data`.
 */
export function faultsOf(
  error: unknown,
  within: string,
): { readonly byPointer: ReadonlyMap<string, string>; readonly others: readonly string[] } {
  const byPointer = new Map<string, string>();
  const others: string[] = [];
  const faults = error instanceof ApiError ? error.problem["errors"] : undefined;
  for (const fault of Array.isArray(faults) ? (faults as readonly JsonObject[]) : []) {
    const { pointer, detail } = fault;
    const text = wordOf(detail);
    const isInside =
      typeof pointer === "string" && (pointer === within || pointer.startsWith(`${within}/`));
    if (!isInside) others.push(text);
    else byPointer.set(decodeURIComponent(pointer.slice(within.length)), text);
  }
  if (byPointer.size === 0 && others.length === 0 && error instanceof Error)
    others.push(error.message);
  return { byPointer, others };
}

interface NodeProps {
  readonly root: JsonObject;
  readonly schema: JsonObject;
  readonly value: JsonValue | undefined;
  readonly onChange: (value: JsonValue | undefined) => void;
  readonly pointer: string;
  readonly label: string;
  /** Undefined: it is the whole value. */
  readonly required: boolean | undefined;
  readonly errors: ReadonlyMap<string, string>;
  readonly disabled: boolean | undefined;
}

function Node(props: NodeProps): VNode {
  const { schema, value, onChange, pointer, errors, disabled, required } = props;
  const label = typeof schema["title"] === "string" ? schema["title"] : props.label;
  const hint = typeof schema["description"] === "string" ? schema["description"] : undefined;
  const field = { label, hint, disabled, required, error: errors.get(pointer) };

  const choices = choicesOf(schema);
  if (choices !== undefined) {
    const index = choices.findIndex((choice) => JSON.stringify(choice) === JSON.stringify(value));
    const options = choices.map((choice, at) => ({ value: String(at), label: wordOf(choice) }));
    return (
      <SelectField
        {...field}
        value={String(index)}
        onChange={(at) => onChange(choices[Number(at)])}
        choices={index === -1 || !required ? [{ value: "-1", label: "" }, ...options] : options}
      />
    );
  }
  const kinds = kindsOf(schema, props.root);
  if (kinds !== undefined) return <Kinds {...props} label={label} kinds={kinds} />;
  if (schema["type"] === "object" && isObject(schema["properties"]))
    return <Members {...props} label={label} />;
  if (schema["type"] === "boolean") {
    return <CheckField {...field} checked={value === true} onChange={onChange} />;
  }
  if (schema["type"] === "number" || schema["type"] === "integer") {
    return <NumberField {...field} value={value} onChange={onChange} />;
  }
  if (schema["type"] === "string") {
    const text = typeof value === "string" ? value : "";
    const change = (next: string): void => onChange(next === "" && !required ? undefined : next);
    const isSecret = schema["format"] === "password" || schema["writeOnly"] === true;
    const isLong = typeof schema["maxLength"] === "number" && schema["maxLength"] > 1_000;
    if (isLong) return <TextArea {...field} value={text} onChange={change} rows={4} />;
    return (
      <TextField
        {...field}
        value={text}
        onChange={change}
        placeholder={placeholderOf(schema)}
        type={isSecret ? "password" : "text"}
      />
    );
  }
  return <JsonField {...field} value={value} onChange={onChange} />;
}

function Members(props: NodeProps): VNode {
  const { root, schema, value, onChange, pointer, label, errors, disabled } = props;
  const object = isObject(value) ? value : {};
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const own = errors.get(pointer);
  const members = Object.entries(schema["properties"] as JsonObject).map(([name, member]) => (
    <Node
      key={name}
      root={root}
      schema={resolve(isObject(member) ? member : {}, root)}
      value={object[name]}
      onChange={(next) => {
        const { [name]: _, ...rest } = object;
        onChange(next === undefined ? rest : { ...object, [name]: next });
      }}
      pointer={`${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`}
      label={name}
      required={required.includes(name)}
      errors={errors}
      disabled={disabled}
    />
  ));
  return (
    <fieldset class="group" disabled={disabled}>
      <legend class={pointer === "" ? "visually-hidden" : "legend"}>{label}</legend>
      {own !== undefined && <p class="field wrong">{own}</p>}
      {members}
    </fieldset>
  );
}

/** A choice between objects that differ in the value of one member. */
interface KindChoice {
  /** The member that says which of them a value is, such as `type`. */
  readonly member: string;
  /** The schema of each, without that member, by the value of that member. */
  readonly schemas: ReadonlyMap<string, JsonObject>;
}

function Kinds(props: NodeProps & { readonly kinds: KindChoice }): VNode {
  const { kinds, value, onChange, label, errors, pointer, required, disabled } = props;
  const { member, schemas } = kinds;
  const kind = isObject(value) ? wordOf(value[member]) : "";
  const schema = schemas.get(kind);
  const none = required ? [] : [{ value: "", label: "None" }];
  return (
    <>
      <SelectField
        label={label}
        required={required}
        disabled={disabled}
        error={errors.get(pointer) ?? errors.get(`${pointer}/${member}`)}
        value={kind}
        onChange={(next) => onChange(next === "" ? undefined : { [member]: next })}
        choices={[...none, ...[...schemas.keys()].map((name) => ({ value: name, label: name }))]}
      />
      {schema && (
        <Members
          {...props}
          key={kind}
          label={`${label}: ${kind}`}
          schema={schema}
          onChange={(next) => onChange(isObject(next) ? { [member]: kind, ...next } : undefined)}
        />
      )}
    </>
  );
}

type ValueField = Omit<Parameters<typeof TextField>[0], "value" | "onChange"> & {
  readonly value: JsonValue | undefined;
  readonly onChange: (value: JsonValue | undefined) => void;
};

function NumberField({ value, onChange, ...field }: ValueField): VNode {
  // What is being typed, such as "1e", may not be a number yet.
  const [text, setText] = useState(wordOf(value));
  useEffect(() => {
    setText((typed) => (numberOf(typed) === value ? typed : wordOf(value)));
  }, [value]);
  return (
    <TextField
      {...field}
      value={text}
      onChange={(typed) => {
        setText(typed);
        onChange(numberOf(typed));
      }}
      error={field.error ?? (Number.isNaN(Number(text)) ? "This is not a number." : undefined)}
    />
  );
}

/** A value as a user reads it. */
function wordOf(value: JsonValue | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The number that a text is; the text itself if it is none, so that the server says what is wrong. */
function numberOf(text: string): JsonValue | undefined {
  if (text.trim() === "") return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

/** A field for any value, as JSON. An empty field is no value, and a fault if the value is required. */
export function JsonField(props: ValueField & { readonly rows?: number | undefined }): VNode {
  const { value, onChange, ...field } = props;
  const [text, setText] = useState(() => textOf(value));
  const [wrong, setWrong] = useState<string>();
  useEffect(() => {
    setText((typed) =>
      JSON.stringify(parse(typed)) === JSON.stringify(value) ? typed : textOf(value),
    );
    setWrong(undefined);
  }, [value]);
  const change = (typed: string): void => {
    setText(typed);
    if (typed.trim() === "") {
      setWrong(field.required === true ? "A value is needed here." : undefined);
      if (field.required !== true) onChange(undefined);
      return;
    }
    try {
      const next = JSON.parse(typed) as JsonValue;
      setWrong(undefined);
      onChange(next);
    } catch (error) {
      setWrong(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  // What was valid before must not be sent in place of what is shown.
  return (
    <TextArea
      {...field}
      value={text}
      onChange={change}
      error={wrong ?? field.error}
      fault={wrong}
    />
  );
}

function textOf(value: JsonValue | undefined): string {
  return value === undefined ? "" : JSON.stringify(value, null, 2);
}

function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

/** Follows references within the schema, and takes `null` out of a choice of two. */
export function resolve(schema: JsonObject, root: JsonObject, depth = 0): JsonObject {
  const reference = schema["$ref"];
  if (typeof reference === "string" && reference.startsWith("#/") && depth < 16) {
    let target: JsonValue | undefined = root;
    for (const part of reference.slice(2).split("/")) {
      target = isObject(target)
        ? target[part.replaceAll("~1", "/").replaceAll("~0", "~")]
        : undefined;
    }
    return resolve(isObject(target) ? target : {}, root, depth + 1);
  }
  const options = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(options)) {
    const others = options.filter((option) => !isObject(option) || option["type"] !== "null");
    const [only] = others;
    if (others.length === 1 && isObject(only)) {
      const { anyOf: _, oneOf: __, ...rest } = schema;
      return { ...resolve(only, root, depth + 1), ...rest };
    }
  }
  return schema;
}

/** The values that a schema lists, if it lists them. */
function choicesOf(schema: JsonObject): readonly JsonValue[] | undefined {
  if (Array.isArray(schema["enum"])) return schema["enum"];
  if (schema["const"] !== undefined) return [schema["const"]];
  const options = schema["anyOf"] ?? schema["oneOf"];
  if (!Array.isArray(options)) return undefined;
  const constants = options.map((option) => (isObject(option) ? option["const"] : undefined));
  return constants.every((constant) => constant !== undefined) ? constants : undefined;
}

/** The objects that a schema lets a user choose from, if each has another value in the same constant member. */
function kindsOf(schema: JsonObject, root: JsonObject): KindChoice | undefined {
  const options = schema["oneOf"] ?? schema["anyOf"];
  if (!Array.isArray(options) || !options.every(isObject)) return undefined;
  const objects = options.map((option) => resolve(option, root));
  const constants = objects.map((object) =>
    Object.entries(isObject(object["properties"]) ? object["properties"] : {}).flatMap(
      ([name, property]) =>
        isObject(property) && typeof property["const"] === "string" ? [name] : [],
    ),
  );
  const member = constants[0]?.find((name) => constants.every((names) => names.includes(name)));
  if (member === undefined) return undefined;
  const schemas = new Map<string, JsonObject>();
  for (const object of objects) {
    const { [member]: kind, ...properties } = object["properties"] as JsonObject;
    schemas.set(wordOf((kind as JsonObject)["const"]), { ...object, properties });
  }
  return schemas.size === objects.length ? { member, schemas } : undefined;
}

function placeholderOf(schema: JsonObject): string | undefined {
  const examples = schema["examples"];
  if (Array.isArray(examples) && typeof examples[0] === "string") return examples[0];
  const byFormat: Readonly<Record<string, string>> = {
    "date-time": "2026-11-30T12:00:00Z",
    date: "2026-11-30",
    uri: "https://",
    email: "name@example.com",
  };
  const format = schema["format"];
  return typeof format === "string" ? byFormat[format] : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
