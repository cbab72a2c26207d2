import type { ComponentChildren, VNode } from "preact";

/** Numbers with their names, in a row. */
export function Figures(props: {
  readonly label: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <section aria-label={props.label}>
      <dl class="figures">{props.children}</dl>
    </section>
  );
}

/** A number with its name. */
export function Figure(props: {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly tone?: "warn" | "bad" | undefined;
  /** What shows when the pointer rests on it. */
  readonly title?: string | undefined;
}): VNode {
  const { name, value, tone, title } = props;
  return (
    <div class={`figure${tone ? ` figure-${tone}` : ""}`} title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
