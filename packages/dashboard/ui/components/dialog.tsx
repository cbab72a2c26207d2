import type { ComponentChildren, VNode } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./button.tsx";

/** Properties of {@link Dialog}. */
export interface DialogProps {
  readonly title: string;
  /** Called when the user closes the dialog: with the button or with Escape. Absent: the user cannot close it now. */
  readonly onClose?: (() => void) | undefined;
  readonly children: ComponentChildren;
  /** The buttons. Buttons of type `submit` submit the dialog. */
  readonly footer?: ComponentChildren;
  /** Called when the user submits the dialog. The page is never left. */
  readonly onSubmit?: (() => void) | undefined;
  readonly wide?: boolean | undefined;
}

/**
 * A dialog above the page, open while it is rendered. The browser keeps the focus inside, and gives it back to where it
 * was.
 */
export function Dialog(props: DialogProps): VNode {
  const { title, onClose, children, footer, onSubmit, wide } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const isOver = useRef(false);
  useEffect(() => {
    const opened = dialog.current;
    const before = document.activeElement;
    opened?.showModal();
    return () => {
      isOver.current = true;
      opened?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "wide" : ""}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onClose={() => {
        // Browsers let the second Escape in a row close a dialog whatever the page says.
        if (isOver.current) return;
        if (onClose) onClose();
        else dialog.current?.showModal();
      }}
    >
      <form
        class="dialog-box"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit?.();
        }}
      >
        <div class="dialog-head">
          <h2 id={heading}>{title}</h2>
          {onClose && (
            <Button kind="quiet" small label="Close" onClick={onClose}>
              <CloseMark />
            </Button>
          )}
        </div>
        <div class="dialog-body">{children}</div>
        {footer && <div class="dialog-foot">{footer}</div>}
      </form>
    </dialog>
  );
}

/** A cross. */
export function CloseMark(): VNode {
  return (
    <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      <path d="M2 2l10 10M12 2L2 12" stroke="currentcolor" stroke-width="1.8" />
    </svg>
  );
}
