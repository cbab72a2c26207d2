import type { ComponentChildren, VNode } from "preact";
import { useToast } from "./toast-context.ts";

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
  /** What the button does: shown when the pointer rests on it. */
  readonly title?: string | undefined;
  /**
   * Why the button cannot be used now. A button with a reason is disabled, but can still get the focus, so that keyboards
   * and screen readers reach the reason. Pressing the button shows the reason as a message.
   */
  readonly reason?: string | undefined;
  /** Whether what the button switches is on. Absent: it switches nothing. */
  readonly pressed?: boolean | undefined;
}

/** A button. */
export function Button(props: ButtonProps): VNode {
  const { children, onClick, kind = "plain", small, type = "button", disabled, reason } = props;
  const showToast = useToast();
  const explain = (event: MouseEvent): void => {
    // A button of a form would submit it.
    event.preventDefault();
    if (reason !== undefined) showToast(reason);
  };
  return (
    <button
      type={type}
      class={`button button-${kind}${small ? " button-small" : ""}`}
      onClick={reason === undefined ? onClick : explain}
      disabled={disabled}
      aria-disabled={reason === undefined ? undefined : true}
      aria-label={props.label}
      aria-pressed={props.pressed}
      title={reason ?? props.title}
    >
      {children}
    </button>
  );
}
