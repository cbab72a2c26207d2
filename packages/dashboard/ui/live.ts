import { useEffect, useRef, useState } from "preact/hooks";
import { basePath } from "./router.ts";
import { useSignedIn } from "./signed-in.ts";

/** Whether a stream of {@link useLive} delivers: `paused` while the tab is hidden, `waiting` between two attempts. */
export type LiveState = "off" | "connecting" | "live" | "waiting" | "paused";

const firstWaitMs = 1_000;
const longestWaitMs = 15_000;

/**
 * Listens to a stream of server-sent events. The stream is closed while the tab is hidden. After an error it is opened
 * again, later each time, or as soon as the user has signed in again. Each handler gets the JSON of an event with its name.
 *
 * @param path Below the dashboard, such as `api/live`. Undefined: nothing is opened.
 */
export function useLive(
  path: string | undefined,
  handlers: Readonly<Record<string, (data: never) => void>>,
): LiveState {
  const [state, setState] = useState<LiveState>(path === undefined ? "off" : "connecting");
  // Handlers may be new at each render; the stream stays.
  const latest = useRef(handlers);
  latest.current = handlers;
  const names = Object.keys(handlers).join(" ");

  const [openings, setOpenings] = useState(0);
  useSignedIn(() => {
    if (state === "waiting") setOpenings((count) => count + 1);
  });

  useEffect(() => {
    if (path === undefined) {
      setState("off");
      return;
    }
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let waitMs = firstWaitMs;

    const close = (): void => {
      clearTimeout(timer);
      source?.close();
      source = undefined;
    };
    const open = (): void => {
      close();
      setState("connecting");
      const opened = new EventSource(`${basePath}/${path}`);
      source = opened;
      opened.onopen = () => {
        waitMs = firstWaitMs;
        setState("live");
      };
      opened.onerror = () => {
        // The browser tries again after a lost connection, at a pace of its own and without end.
        close();
        setState("waiting");
        timer = setTimeout(open, waitMs);
        waitMs = Math.min(longestWaitMs, waitMs * 2);
      };
      for (const name of names.split(" ")) {
        opened.addEventListener(name, (event: MessageEvent<string>) => {
          latest.current[name]?.(JSON.parse(event.data) as never);
        });
      }
    };
    const follow = (): void => {
      if (document.visibilityState === "visible") {
        if (source === undefined) open();
      } else {
        close();
        setState("paused");
      }
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      document.removeEventListener("visibilitychange", follow);
      close();
    };
  }, [path, names, openings]);

  return state;
}
