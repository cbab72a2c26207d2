import type { ComponentChildren, VNode } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./button.tsx";
import { CloseMark } from "./dialog.tsx";
import { type ShowToast, ToastContext } from "./toast-context.ts";

interface Message {
  readonly id: number;
  readonly text: string;
  readonly tone: "good" | "bad";
}

const shownMs = 6_000;

/** Shows the messages of what is inside it. */
export function ToastProvider({ children }: { readonly children: ComponentChildren }): VNode {
  const [messages, setMessages] = useState<readonly Message[]>([]);
  const count = useRef(0);
  const drop = useCallback((id: number) => {
    setMessages((all) => all.filter((message) => message.id !== id));
  }, []);
  const show = useCallback<ShowToast>((text, tone = "good") => {
    count.current += 1;
    const id = count.current;
    setMessages((all) => [...all.slice(-3), { id, text, tone }]);
  }, []);
  return (
    <ToastContext.Provider value={show}>
      {children}
      <div class="toasts" role="status">
        {messages.map((message) => (
          <Toast key={message.id} {...message} onClose={() => drop(message.id)} />
        ))}
      </div>
    </ToastContext.Provider>
  );
}

function Toast({
  text,
  tone,
  onClose,
}: Omit<Message, "id"> & { readonly onClose: () => void }): VNode {
  useEffect(() => {
    if (tone === "bad") return;
    const timer = setTimeout(onClose, shownMs);
    return () => clearTimeout(timer);
  }, [tone]);
  return (
    <div class={`toast toast-${tone}`}>
      <p>{text}</p>
      <Button kind="quiet" small label="Close the message" onClick={onClose}>
        <CloseMark />
      </Button>
    </div>
  );
}
