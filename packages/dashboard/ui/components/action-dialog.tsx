import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { Problem } from "./page.tsx";

/** Properties of {@link ActionDialog}. */
export interface ActionDialogProps {
  /** A question or a command with the name of what it is about: `Pause order-emails`. */
  readonly title: string;
  /** What the button says: a verb. */
  readonly action: string;
  /** `danger`: it cannot be undone. @default "primary" */
  readonly kind?: "primary" | "danger" | undefined;
  /** Whether the user may act now. @default true */
  readonly isReady?: boolean | undefined;
  /** Does it. The dialog stays open until it resolves; if it rejects, the dialog says why. */
  readonly run: () => Promise<unknown>;
  readonly onClose: () => void;
  readonly wide?: boolean | undefined;
  /** Whether the dialog itself shows why the action failed. @default true */
  readonly showsProblem?: boolean | undefined;
  readonly children: ComponentChildren;
}

/**
 * A dialog that does something when it is submitted, and closes once that is done. The user cannot close it while the
 * action runs: nobody would see the answer, which may have a new secret.
 */
export function ActionDialog(props: ActionDialogProps): VNode {
  const { title, action, kind = "primary", isReady = true, run, onClose } = props;
  const { wide, showsProblem = true, children } = props;
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<Error>();
  const isThere = useRef(true);
  useEffect(
    () => () => {
      isThere.current = false;
    },
    [],
  );
  const act = async (): Promise<void> => {
    if (!isReady || isRunning) return;
    setRunning(true);
    setError(undefined);
    try {
      await run();
      // The user may have left the page: then there is another dialog, or none.
      if (isThere.current) onClose();
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
      setRunning(false);
    }
  };
  return (
    <Dialog
      title={title}
      wide={wide}
      onClose={isRunning ? undefined : onClose}
      onSubmit={() => void act()}
      footer={
        <>
          <Button onClick={onClose} disabled={isRunning}>
            Cancel
          </Button>
          <Button type="submit" kind={kind} disabled={!isReady || isRunning}>
            {isRunning ? "Working…" : action}
          </Button>
        </>
      }
    >
      {children}
      {showsProblem && <Problem error={error} />}
    </Dialog>
  );
}
