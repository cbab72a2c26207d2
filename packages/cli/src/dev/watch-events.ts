import { definePlugin, type Plugin } from "@busbar/core/plugin";
import { type JsonValue, safeError } from "@busbar/core/provider";
import type { DevEntry } from "./dev-entry.ts";
import { remember } from "../remember.ts";
import type { Repeater } from "./twice.ts";
import type { Warnings } from "./warnings.ts";

/** Events whose data is remembered until they are published, at most: some events are never published. */
const REMEMBERED = 1_000;

/** What {@link watchEvents} is given. */
export interface WatchOptions {
  readonly write: (entry: DevEntry) => void;
  readonly warnings: Warnings;
  readonly repeater: Repeater;
  /** The folder of the application. */
  readonly root: string;
}

/** Makes a plugin that reports to `write` and to `warnings` what happens to events in this process. */
export function watchEvents({ write, warnings, repeater, root }: WatchOptions): Plugin {
  const data = new Map<string, JsonValue>();
  /** Events that the second delivery of a subscription has emitted. */
  const emittedAgain = new Map<string, string>();
  let hasOutbox = false;
  /** What is reported of events once the provider has said that it accepts them: in memory, that comes last. */
  const early = new Map<string, (() => void)[]>();
  const afterEmit = (id: string, report: () => void): void => {
    const reports = early.get(id);
    if (!data.has(id)) report();
    else if (reports === undefined) remember(early, id, [report], REMEMBERED);
    else reports.push(report);
  };

  return definePlugin({
    name: "busbar-dev",
    sending({ kind, events }, next) {
      const again = repeater.subscriberAgain();
      for (const { id, name, metadata } of kind === "emit" || kind === "stage" ? events : []) {
        warnings.emitted(name);
        const isGrouped = metadata.eventGroupId !== undefined;
        if (kind === "emit" && hasOutbox && !isGrouped) warnings.outsideTransaction(name);
        if (again !== undefined) remember(emittedAgain, id, again, REMEMBERED);
      }
      return next();
    },
    start({ bus, on, plugins }) {
      hasOutbox = plugins.some(({ staging }) => staging?.stage !== undefined);
      bus.addInterceptor((event) => remember(data, event.id, event.data as JsonValue, REMEMBERED));
      on("emitted", ({ event: { id, name }, subscriptions }) => {
        const again = emittedAgain.get(id);
        write({ type: "emitted", event: { id, name }, subscriptions, data: data.get(id) });
        for (const report of early.get(id) ?? []) report();
        for (const map of [data, emittedAgain, early]) map.delete(id);
        if (again !== undefined && subscriptions > 0) warnings.emittedAgain(again, name);
      });
      on("delivered", ({ event: { id, name }, subscriberId, attempt, durationMs }) => {
        const again = repeater.isAgain(subscriberId, id);
        const event = { id, name };
        afterEmit(id, () => {
          write({ type: "delivered", event, subscriberId, attempt, durationMs, again });
          warnings.ran(subscriberId, name, durationMs);
        });
      });
      on("failed", ({ event: { id, name }, subscriberId, attempt, attempts, ...run }) => {
        const { message: error, stack } = safeError(run.error);
        const { delayMs, durationMs } = run;
        const at = placeIn(stack, root);
        const event = { id, name };
        const again = repeater.isAgain(subscriberId, id);
        afterEmit(id, () => {
          write({ type: "failed", event, subscriberId, attempt, attempts, error, at, delayMs });
          warnings.ran(subscriberId, name, durationMs);
          if (again) warnings.failedAgain(subscriberId, name, error);
        });
      });
      on("dead", ({ event: { id, name }, subscriberId, attempt, reason, error }) => {
        const { message } = safeError(error);
        const event = { id, name };
        afterEmit(id, () =>
          write({ type: "dead", event, subscriberId, attempt, reason, error: message }),
        );
      });
      on("released", ({ event: { id, name }, subscriberId, attempt, reason }) => {
        const event = { id, name };
        afterEmit(id, () => write({ type: "released", event, subscriberId, attempt, reason }));
      });
    },
  });
}

/** The first place of a stack that is in the application, relative to its folder. */
function placeIn(stack: string | undefined, root: string): string | undefined {
  for (const line of (stack ?? "").split("\n")) {
    const [, file, place] =
      /(?:file:\/\/)?(\/[^()]+?)(?:\?[^:()]*)?(:\d+:\d+)\)?$/.exec(line) ?? [];
    if (file === undefined || file.includes("/node_modules/")) continue;
    if (file.startsWith(`${root}/`)) return `${file.slice(root.length + 1)}${place}`;
  }
  return undefined;
}
