import { type ComponentChildren, createContext, type VNode } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

const NowContext = createContext(0);

const everyMs = 5_000;

/** Gives the time to what is inside, and renews it each 5 s while the tab is visible. */
export function NowProvider({ children }: { readonly children: ComponentChildren }): VNode {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const tick = (): void => {
      if (document.visibilityState === "visible") setNow(Date.now());
    };
    const timer = setInterval(tick, everyMs);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }, []);
  return <NowContext.Provider value={now}>{children}</NowContext.Provider>;
}

/** Returns the present time in milliseconds since the epoch; it moves each 5 s. */
export function useNow(): number {
  return useContext(NowContext);
}
