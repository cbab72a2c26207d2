import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { Button } from "./button.tsx";

/** Longer texts are cut: the browser would stand still. */
const mostCharacters = 200_000;

/** A value as indented JSON, with a button that copies all of it. */
export function JsonView(props: { readonly value: unknown; readonly label: string }): VNode {
  const { value, label } = props;
  const [isCopied, setCopied] = useState(false);
  const text = useMemo(() => JSON.stringify(value, null, 2) ?? "undefined", [value]);
  const tokens = useMemo(() => colour(text.slice(0, mostCharacters)), [text]);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <div class="json-box">
      <pre class="json" tabIndex={0} role="group" aria-label={label}>
        {tokens}
        {text.length > mostCharacters && "\n… cut here; the copy has all of it"}
      </pre>
      {isSecureContext && (
        <Button small onClick={() => void copy()} label={`Copy ${label}`}>
          {isCopied ? "Copied" : "Copy"}
        </Button>
      )}
    </div>
  );
}

/** Marks keys, texts and other values of JSON. */
function colour(text: string): (string | VNode)[] {
  const found: (string | VNode)[] = [];
  let end = 0;
  for (const match of text.matchAll(
    /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g,
  )) {
    const [all, quoted, colon] = match;
    const token = quoted ?? all;
    const kind = colon === undefined ? (quoted === undefined ? "other" : "text") : "key";
    found.push(
      text.slice(end, match.index),
      <span class={`json-${kind}`}>{token}</span>,
      colon ?? "",
    );
    end = match.index + all.length;
  }
  found.push(text.slice(end));
  return found;
}
