// Makes the search index of a log, alone in its process, and sends how many rows it has taken, how long, and the memory.
import { type LogPlace, openLog } from "./webhook-log.ts";

/** What {@link process} sends. */
export interface RebuiltIndex {
  readonly rows: number;
  readonly elapsedMs: number;
  /** The most that the process has had in memory. */
  readonly peakMb: number;
}

const { hooks, close } = await openLog(JSON.parse(String(process.argv[2])) as LogPlace, false);
const start = performance.now();
const rows = await hooks.log.rebuildIndex();
const elapsedMs = performance.now() - start;
const rebuilt: RebuiltIndex = {
  rows,
  elapsedMs,
  // In kilobytes, on every system.
  peakMb: (process.resourceUsage().maxRSS * 1_024) / 1_000_000,
};
await close();
process.send?.(rebuilt);
process.disconnect?.();
