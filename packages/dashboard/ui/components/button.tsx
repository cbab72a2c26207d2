import type { ComponentChildren, VNode } from "preact";

/** Properties of {@link Button}. */
export interface ButtonProps {
  readonly children: ComponentChildren;
  readonly onClick?: ((event: MouseEvent) => void) | undefined;
  /** @default "plain" */
  readonly kind?: "plain" | "primary" | "danger" | "quiet" | "link" | undefined;
  /** Whether it is a small one, for tables. */
  readonly small?: boolean | undefined;
  readonly type?: "button" | "submit" | undefined;
  readonly disabled?: boolean | undefined;
  /** What a screen reader says in place of the text, where several buttons have the same text. */
  readonly label?: string | undefined;
  /** Why it is disabled, or what it does: shown when the pointer rests on it. */
  readonly title?: string | undefined;
  /** Whether what the button switches is on. Absent: it switches nothing. */
  readonly pressed?: boolean | undefined;
}

/** A button. */
export function Button(props: ButtonProps): VNode {
  const { children, onClick, kind = "plain", small, type = "button", disabled } = props;
  return (
    <button
      type={type}
      class={`button button-${kind}${small ? " button-small" : ""}`}
      onClick={onClick}
      disabled={disabled}
      aria-label={props.label}
      aria-pressed={props.pressed}
      title={props.title}
    >
      {children}
    </button>
  );
}
