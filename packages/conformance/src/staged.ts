import assert from "node:assert/strict";
import type { GroupStaging, StagedEvent } from "@busbar/core/provider";
import { consumer, envelope } from "./builders.ts";
import type { CaseContext } from "./case-context.ts";
import type { Inbox } from "./inbox.ts";
import type { Instance } from "./instance.ts";

/** A lease that does not end while a case runs. */
export const LEASE_MS = 60_000;

/** The staging of an instance, and a subscription that gets what is released. */
export interface Staged {
  readonly instance: Instance;
  readonly groups: GroupStaging;
  readonly inbox: Inbox;
  readonly stage: (group: string, ...ids: readonly string[]) => Promise<void>;
  /** Publishes all that a group has, or may have. */
  readonly release: (group: string) => Promise<void>;
}

/** Starts an instance that stages. */
export async function staged(context: CaseContext): Promise<Staged> {
  const instance = await context.start();
  const inbox = await instance.consume(consumer("mail"));
  const groups = groupsOf(instance);
  return {
    instance,
    groups,
    inbox,
    stage: (group, ...ids) =>
      groups.stage(
        group,
        ids.map((id) => event(id)),
        { ttlMs: undefined },
      ),
    async release(group) {
      await groups.mark(group);
      const claim = await groups.claim({ eventGroupId: group, leaseMs: LEASE_MS });
      if (claim)
        await groups.complete(
          claim,
          claim.events.map((it) => it.envelope),
          options(),
        );
    },
  };
}

/** The staging of an instance; cases that use it require it. */
export function groupsOf(instance: Instance): GroupStaging {
  assert.ok(instance.provider.groups);
  return instance.provider.groups;
}

/** `a:step` is the event `a` of that step. */
export function event(id: string): StagedEvent {
  const [name, stepId] = id.split(":");
  const plain = envelope(id, { name: name?.startsWith("x.") ? name : "order.placed" });
  return { envelope: { ...plain, metadata: { ...plain.metadata, ...(stepId && { stepId }) } } };
}

/** Of a publish that may take its time. */
export function options(): { readonly deadline: number; readonly inHandler: boolean } {
  return { deadline: performance.now() + 10_000, inHandler: false };
}
