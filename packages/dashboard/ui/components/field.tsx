import type { ComponentChildren, VNode } from "preact";
import { useId } from "preact/hooks";

/** What every field has. */
export interface FieldProps {
  readonly label: string;
  /** One line below the field that helps. */
  readonly hint?: ComponentChildren;
  /** What is wrong with the value. */
  readonly error?: string | undefined;
  readonly disabled?: boolean | undefined;
  readonly required?: boolean | undefined;
}

/** The attributes by which an input and its label, hint and error belong together. */
export interface InputLinks {
  readonly id: string;
  readonly disabled: boolean | undefined;
  readonly "aria-required": boolean | undefined;
  readonly "aria-describedby": string | undefined;
  readonly "aria-invalid": boolean | undefined;
}

/** A label above an input, with a hint or what is wrong below it. The child makes the input. */
export function Field(
  props: FieldProps & { readonly children: (links: InputLinks) => VNode },
): VNode {
  const { label, hint, error, disabled, required, children } = props;
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>
        {label}
        {required === false && <span class="muted"> (optional)</span>}
      </label>
      {children({
        id,
        disabled,
        "aria-required": required === true ? true : undefined,
        "aria-describedby": described === "" ? undefined : described,
        "aria-invalid": error === undefined ? undefined : true,
      })}
      {hint && (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {error !== undefined && (
        <span class="wrong" id={`${id}-error`}>
          {error}
        </span>
      )}
    </div>
  );
}

/** Properties of a field with a text. */
export interface TextFieldProps extends FieldProps {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly placeholder?: string | undefined;
  readonly type?: "text" | "search" | "password" | undefined;
  /** Whether it is in a font with letters of one width: for ids, code and JSON. */
  readonly mono?: boolean | undefined;
  /** Texts to choose from; others may be typed. */
  readonly suggestions?: readonly string[] | undefined;
  /** Why the text cannot be sent as it is. No form is submitted until it is gone. */
  readonly fault?: string | undefined;
}

/** A field for a line of text. */
export function TextField(props: TextFieldProps): VNode {
  const { value, onChange, placeholder, type = "text", mono, suggestions, fault } = props;
  const list = useId();
  const kind = suggestions ? { list } : ({ type } as { type: "text" });
  return (
    <Field {...props}>
      {(links) => (
        <>
          <input
            {...links}
            ref={(input) => input?.setCustomValidity(fault ?? "")}
            class={mono ? "input mono" : "input"}
            value={value}
            placeholder={placeholder}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => onChange(event.currentTarget.value)}
            {...kind}
          />
          {suggestions && (
            <datalist id={list}>
              {suggestions.map((text) => (
                <option key={text} value={text}>
                  {text}
                </option>
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

/** A field for several lines of text, or for JSON. */
export function TextArea(props: TextFieldProps & { readonly rows?: number | undefined }): VNode {
  const { value, onChange, placeholder, rows = 8, fault } = props;
  return (
    <Field {...props}>
      {(links) => (
        <textarea
          {...links}
          ref={(area) => area?.setCustomValidity(fault ?? "")}
          class="input"
          rows={rows}
          value={value}
          placeholder={placeholder}
          spellcheck={false}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A choice of a {@link SelectField} or {@link ChoiceField}. */
export interface Choice {
  readonly value: string;
  readonly label: string;
  /** What the choice brings about. A {@link ChoiceField} shows it. */
  readonly hint?: string | undefined;
}

/** Properties of a field with choices. */
export interface SelectFieldProps extends FieldProps {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly choices: readonly Choice[];
}

/** A field that opens a list of choices. */
export function SelectField(props: SelectFieldProps): VNode {
  return (
    <Field {...props}>
      {(links) => (
        <select
          {...links}
          class="input"
          value={props.value}
          onChange={(event) => props.onChange(event.currentTarget.value)}
        >
          {props.choices.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Choices below each other, one of which is chosen. */
export function ChoiceField(props: SelectFieldProps): VNode {
  const name = useId();
  return (
    <fieldset class="group" disabled={props.disabled}>
      <legend class="legend">{props.label}</legend>
      {props.choices.map(({ value, label, hint }) => (
        <label key={value} class="check">
          <input
            type="radio"
            name={name}
            checked={value === props.value}
            onChange={() => props.onChange(value)}
          />
          <span>
            {label}
            {hint && <span class="hint">{hint}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** A box that is checked or not. */
export function CheckField(
  props: Omit<FieldProps, "required" | "error"> & {
    readonly checked: boolean;
    readonly onChange: (checked: boolean) => void;
  },
): VNode {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.checked}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <span>
        {props.label}
        {props.hint && <span class="hint">{props.hint}</span>}
      </span>
    </label>
  );
}
