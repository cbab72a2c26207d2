import type {
  EventProvider,
  GroupStaging,
  KnownGroups,
  StagedEvent,
} from "../../src/contract/provider.ts";
import { MemoryGroupStaging } from "../../src/groups/memory-group-staging.ts";
import { createManualClock } from "./manual-clock.ts";
import { memoryProvider, providerLike } from "./test-bus.ts";

type Release = ReturnType<KnownGroups["release"]>;

/** What happens to calls of a staging. They go through by default. */
export interface RememberingHooks {
  readonly stage?: ((stage: () => Promise<void>) => Promise<void>) | undefined;
  readonly release?: ((publish: () => Release) => Release) | undefined;
}

/** A durable provider whose staging remembers what was staged, and the calls that it gets. */
export function remembering({
  stage: onStage = (stage) => stage(),
  release: onRelease = (publish) => publish(),
}: RememberingHooks = {}): { readonly provider: EventProvider; readonly calls: string[] } {
  const inner = memoryProvider();
  const calls: string[] = [];
  const staged = new Map<string, StagedEvent[]>();
  const tokens = new Set<string>();
  const staging = new MemoryGroupStaging({
    clock: createManualClock(),
    publish: (envelopes, options) => inner.publish(envelopes, options),
  });
  const groups: GroupStaging = {
    stage(id, events, options) {
      calls.push("stage");
      return onStage(async () => {
        const { token } = options;
        if (token !== undefined && tokens.has(token)) return;
        if (token !== undefined) tokens.add(token);
        staged.set(id, [...(staged.get(id) ?? []), ...events]);
        await staging.stage(id, events, options);
      });
    },
    mark: (id) => {
      calls.push("mark");
      return staging.mark(id);
    },
    claim: (options) => {
      calls.push("claim");
      return staging.claim(options);
    },
    complete: (claim, envelopes, options) => {
      calls.push("complete");
      return staging.complete(claim, envelopes, options);
    },
    abandon: (claim) => staging.abandon(claim),
    clear: (id, options) => {
      staged.delete(id);
      return staging.clear(id, options);
    },
    list: () => staging.list(),
    known: {
      take(id) {
        const events = staged.get(id);
        staged.delete(id);
        return events;
      },
      release: (id, events, envelopes, { unstaged, ...options }) => {
        calls.push("release");
        return onRelease(async () => {
          const listed = (await staging.list()).find((it) => it.eventGroupId === id);
          if ((listed?.events ?? 0) !== events.length) return undefined;
          if (unstaged !== undefined && tokens.has(unstaged)) return undefined;
          if (unstaged !== undefined) tokens.add(unstaged);
          await staging.clear(id, {});
          return inner.publish(envelopes, options);
        });
      },
    },
  };
  const capabilities = { ...inner.capabilities, durable: true };
  return { provider: providerLike(inner, { capabilities, groups }), calls };
}
