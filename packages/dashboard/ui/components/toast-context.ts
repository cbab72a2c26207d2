import { type Context, createContext } from "preact";
import { useContext } from "preact/hooks";

/** Shows a message for a few seconds; one about a failure stays until it is closed. */
export type ShowToast = (text: string, tone?: "good" | "bad") => void;

/** The function that shows messages on the page. */
export const ToastContext: Context<ShowToast> = createContext<ShowToast>(() => undefined);

/** Returns a function that says in a corner of the page what has happened. Screen readers also say it. */
export function useToast(): ShowToast {
  return useContext(ToastContext);
}
