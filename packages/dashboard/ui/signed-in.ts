import { useEffect, useRef } from "preact/hooks";

const signedIn = "busbar-signed-in";

/** Announces that the user has signed in again. */
export function announceSignedIn(): void {
  dispatchEvent(new Event(signedIn));
}

/** Calls `handler` when the user has signed in again after the session had ended. */
export function useSignedIn(handler: () => void): void {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    const call = (): void => latest.current();
    addEventListener(signedIn, call);
    return () => removeEventListener(signedIn, call);
  }, []);
}
