import type { Timer } from "@busbar/core/provider";
import { insistently } from "./insistently.ts";
import type { ServerClock, Store } from "./store.ts";

/** Milliseconds between two looks. In between, two good clocks drift apart by a few milliseconds. */
const LOOK_EVERY_MS = 60_000;

export function createServerClock(
  session: Pick<Store, "context" | "options" | "keys" | "link" | "scripts">,
): ServerClock {
  const { context, keys, link, scripts } = session;
  const { clock } = context;
  let aheadMs = 0;
  let timer: Timer | undefined;
  let isClosed = false;

  async function ask(): Promise<number> {
    const from = clock.monotonic();
    const time = await scripts.time(keys.version);
    const to = clock.monotonic();
    // Redis has looked at its clock somewhere on the way: in the middle, as far as anybody knows.
    aheadMs = time - (from + to) / 2;
    return time;
  }

  function look(): void {
    // What was known stays good for long. The next look is soon enough.
    if (link.isReady) void ask().catch(() => {});
    lookLater();
  }

  function lookLater(): void {
    timer?.cancel();
    if (!isClosed) timer = clock.setTimeout(look, LOOK_EVERY_MS);
  }

  const stopListening = link.onReconnect(look);
  return {
    now: () => clock.monotonic() + aheadMs,
    async read() {
      const time = await insistently(session, ask);
      lookLater();
      return time;
    },
    close() {
      isClosed = true;
      stopListening();
      timer?.cancel();
    },
  };
}
