import { type ComponentChildren, createContext, type VNode } from "preact";
import { useCallback, useContext, useState } from "preact/hooks";
import { ActionDialog } from "./action-dialog.tsx";
import { TextField } from "./field.tsx";

/** What is asked before an action. */
export interface Question {
  /** A question with the name of what it is about: `Retire order-emails?` */
  readonly title: string;
  /** What the action brings about. */
  readonly consequence: ComponentChildren;
  /** What the button says: a verb. */
  readonly action: string;
  /** `danger`: it cannot be undone. @default "primary" */
  readonly kind?: "primary" | "danger" | undefined;
  /** A text that the user must type first. For what destroys much. */
  readonly typed?: string | undefined;
  /** Does it. The dialog stays open until it resolves; if it rejects, the dialog says why. */
  readonly run: () => Promise<unknown>;
}

const ConfirmContext = createContext<(question: Question) => void>(() => undefined);

/**
 * Returns a function that asks the user for a confirmation, and then acts.
 *
 * @example
 * ```ts
 * const confirm = useConfirm();
 * confirm({
 *   title: "Discard 3 dead letters?",
 *   consequence: "They are deleted. They cannot be replayed afterwards.",
 *   action: "Discard",
 *   kind: "danger",
 *   run: () => send("POST", "api/dead/discard", { subscriberId, ids }),
 * });
 * ```
 */
export function useConfirm(): (question: Question) => void {
  return useContext(ConfirmContext);
}

/** Shows the question that something inside it asks. */
export function ConfirmProvider({ children }: { readonly children: ComponentChildren }): VNode {
  const [question, setQuestion] = useState<Question>();
  const ask = useCallback((next: Question) => setQuestion(next), []);
  return (
    <ConfirmContext.Provider value={ask}>
      {children}
      {question && <Confirmation {...question} onClose={() => setQuestion(undefined)} />}
    </ConfirmContext.Provider>
  );
}

function Confirmation(props: Question & { readonly onClose: () => void }): VNode {
  const { consequence, typed, ...dialog } = props;
  const [text, setText] = useState("");
  return (
    <ActionDialog {...dialog} isReady={typed === undefined || text === typed}>
      <div class="stack-tight">{consequence}</div>
      {typed !== undefined && (
        <TextField label={`Type ${typed} to confirm`} value={text} onChange={setText} mono />
      )}
    </ActionDialog>
  );
}
