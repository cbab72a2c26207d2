import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { CallerView, Features } from "../src/contract/api.ts";

/** Who looks at the dashboard, and what there is to see. */
export interface Session {
  readonly caller: CallerView;
  readonly features: Features;
  /** The name of the bus. */
  readonly bus: string;
}

/** The session of the page; undefined while nobody is signed in. */
export const SessionContext = createContext<Session | undefined>(undefined);

/** Returns the session. Pages are rendered only when there is one. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new TypeError("useSession() is for pages only");
  return session;
}

/** Returns why the user can change nothing: the reason of buttons that change something. Undefined: the user can. */
export function useReadOnly(): string | undefined {
  return useSession().caller.readOnly
    ? "You may look at this dashboard, and change nothing."
    : undefined;
}
