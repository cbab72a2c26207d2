import type { Plugin } from "@busbar/core/plugin";
import { RunRecorder } from "./run-recorder.ts";

/** The name of the plugin, under which its numbers are found in the reports of instances. */
export const RECORDER = "dashboard-recorder";

/**
 * Makes a plugin that counts the runs of each subscription in its process, and measures how long they take. Give it to
 * processes that do not serve the dashboard: without it, the dashboard shows no durations for their subscriptions.
 * `dashboard()` records by itself.
 *
 * @example
 * ```ts
 * const bus = createEventBus({ provider, plugins: [recorder()] }); // a worker
 * ```
 */
export function recorder(): Plugin {
  const runs = new RunRecorder();
  return {
    name: RECORDER,
    start: ({ on }) => runs.start(on),
    stop: () => runs.stop(),
    report: () => runs.report(),
  };
}
