import type { VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Button } from "../../components/button.tsx";
import { Field } from "../../components/field.tsx";
import { completions, exampleQueries, logFields, wordBefore } from "./lucene.ts";

/** What the server has against a parameter of a search. */
export interface ParameterFault {
  readonly parameter: string;
  readonly detail: string;
  /** Of a query: UTF-16 code units from its start to the mistake. */
  readonly position?: number | undefined;
}

/** A box for queries in Lucene's syntax: with completion, help, and the place of a mistake. */
export function LuceneBox(props: {
  /** The query that is searched with. */
  readonly query: string;
  readonly onSearch: (query: string) => void;
  /** What the server has against the query. */
  readonly fault: ParameterFault | undefined;
  /** Names of events, for the completion. */
  readonly names: readonly string[];
}): VNode {
  const { query, onSearch, names } = props;
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(query);
  const [cursor, setCursor] = useState(query.length);
  const [active, setActive] = useState(-1);
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setText(query), [query]);

  const found = isOpen ? completions(text, cursor, names) : [];
  const fault = text === query ? props.fault : undefined;
  const take = (index: number): void => {
    const completion = found[index];
    if (!completion) return;
    const { from } = wordBefore(text, cursor);
    const next = text.slice(0, from) + completion.text + text.slice(cursor);
    const end = from + completion.text.length;
    setText(next);
    setCursor(end);
    setActive(-1);
    // After the new text is in the field.
    setTimeout(() => {
      input.current?.focus();
      input.current?.setSelectionRange(end, end);
    });
  };
  const press = (event: KeyboardEvent): void => {
    const { key } = event;
    if (key === "Escape" && found.length > 0) setOpen(false);
    else if (key === "ArrowDown" && found.length > 0) setActive((active + 1) % found.length);
    else if (key === "ArrowUp" && found.length > 0) {
      setActive((active <= 0 ? found.length : active) - 1);
    } else if ((key === "Enter" && active >= 0) || (key === "Tab" && active >= 0)) take(active);
    else return;
    event.preventDefault();
  };
  return (
    <form
      class="stack-tight"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        setOpen(false);
        onSearch(text.trim());
      }}
    >
      <Field label="Query">
        {(links) => (
          <div class="lucene">
            <input
              {...links}
              ref={input}
              class="input mono grow"
              role="combobox"
              aria-expanded={found.length > 0}
              aria-controls={`${id}-list`}
              aria-autocomplete="list"
              aria-activedescendant={active >= 0 && found[active] ? `${id}-${active}` : undefined}
              aria-describedby={fault ? `${id}-fault` : undefined}
              aria-invalid={fault ? true : undefined}
              value={text}
              placeholder="event_name: order.* AND success: false"
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => {
                setText(event.currentTarget.value);
                setCursor(event.currentTarget.selectionStart ?? event.currentTarget.value.length);
                setActive(-1);
                setOpen(true);
              }}
              onKeyDown={press}
              onBlur={() => setOpen(false)}
            />
            <Button type="submit" kind="primary">
              Search
            </Button>
            <div
              id={`${id}-list`}
              class="completions"
              role="listbox"
              aria-label="Completions"
              hidden={found.length === 0}
            >
              {found.map((completion, index) => (
                <div
                  key={completion.text}
                  id={`${id}-${index}`}
                  role="option"
                  tabIndex={-1}
                  aria-selected={index === active}
                  // Before the field loses the focus.
                  onMouseDown={(event) => {
                    event.preventDefault();
                    take(index);
                  }}
                >
                  <code>{completion.text}</code>
                  <span class="muted small">{completion.hint}</span>
                </div>
              ))}
            </div>
          </div>
        )}
      </Field>
      {fault && (
        <div class="wrong" id={`${id}-fault`} role="alert">
          <Fault query={query} {...fault} />
        </div>
      )}
      <Help onTake={onSearch} />
    </form>
  );
}

/** The query with a mark at the mistake, and what is wrong. */
function Fault({ query, detail, position }: ParameterFault & { readonly query: string }): VNode {
  return (
    <>
      {position !== undefined && (
        <p>
          <code>
            {query.slice(0, position)}
            <mark>{query.slice(position, position + 1) || "\u00A0"}</mark>
            {query.slice(position + 1)}
          </code>
        </p>
      )}
      <p>{detail}</p>
    </>
  );
}

function Help({ onTake }: { readonly onTake: (query: string) => void }): VNode {
  return (
    <details>
      <summary>How to search</summary>
      <div class="stack-tight">
        <p>
          Write a field, a colon and a value. Join conditions with AND, OR, NOT and parentheses. Use{" "}
          <code>*</code> for any letters, quotation marks for phrases, and{" "}
          <code>[from TO until]</code> for ranges. Words without a field are searched in ids, names,
          errors, answers and payloads.
        </p>
        <ul class="stack-tight">
          {exampleQueries.map(({ query, finds }) => (
            <li key={query}>
              <Button kind="link" onClick={() => onTake(query)}>
                <code>{query}</code>
              </Button>{" "}
              <span class="muted small">{finds}</span>
            </li>
          ))}
        </ul>
        <dl class="facts">
          {logFields.flatMap(({ name, hint }) => [
            <dt key={name}>
              <code>{name}</code>
            </dt>,
            <dd key={`${name} hint`}>{hint}</dd>,
          ])}
          <dt>
            <code>data.…</code>
          </dt>
          <dd>A value of the payload, also within arrays: data.items.sku</dd>
        </dl>
      </div>
    </details>
  );
}
