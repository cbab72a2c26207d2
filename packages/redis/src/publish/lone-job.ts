import type { Envelope } from "@busbar/core/provider";
import { encodeAlone } from "../store/stored-events.ts";
import { groupEventsKey, REMEMBER_STAGING_MS, stagingKey } from "../store/group-library.ts";
import type { GroupRelease, JobSpec, PublishRequest } from "../store/publish-script.ts";
import { LARGE_BYTES } from "../store/text-sizes.ts";
import type { JobIds } from "../store/job-ids.ts";
import { NORMAL_PRIORITY } from "../store/job-data.ts";
import type { Route } from "../registry/routes.ts";

/** The part of a request that does not depend on the events. */
export type PublishSource = Pick<PublishRequest, "own" | "version" | "orphanedAfterMs" | "emitter">;

/** The arguments of the short script. */
export type LoneJob = readonly (string | number)[];

/** The arguments of the short script, if all that a publish adds is one job of one subscription, at once. */
export function loneJobOf(request: PublishRequest, texts: readonly string[]): LoneJob | undefined {
  const { targets, packs, lanes } = request;
  const [pack] = packs;
  const [target] = targets;
  const [data] = texts;
  if (!pack || !target || packs.length > 1 || lanes.length > 0) return undefined;
  const { delay, dedup } = pack.job;
  // A tail is still to be put behind its events.
  if (!data || texts.length > 1 || pack.tail !== undefined || pack.body) return undefined;
  if (delay > 0 || dedup) return undefined;
  return argumentsOf(request, request.groups, target, pack.job, data);
}

/** The same of a single event, if that is what it becomes. */
export function loneJobOfEvent(
  source: PublishSource,
  groups: readonly GroupRelease[] | undefined,
  envelope: Envelope,
  { targets, ordersAll, ordersKeys }: Route,
  ids: JobIds,
): LoneJob | undefined {
  const [target] = targets;
  if (!target || targets.length > 1) return undefined;
  const { deduplicationId, delayMs = 0, orderingKey, priority = NORMAL_PRIORITY } = envelope;
  if (deduplicationId !== undefined || delayMs > 0) return undefined;
  if (ordersAll || (ordersKeys && orderingKey !== undefined)) return undefined;
  const { spec, ordering } = target;
  const data = spec.head + encodeAlone(envelope);
  // A character is at most three bytes.
  if (data.length * 3 > LARGE_BYTES) return undefined;
  const job = {
    id: ids.next(1),
    name: envelope.name.toWellFormed(),
    priority: ordering === "none" ? priority : NORMAL_PRIORITY,
  };
  return argumentsOf(source, groups, spec, job, data);
}

function argumentsOf(
  { own, version, orphanedAfterMs, emitter }: PublishSource,
  groups: readonly GroupRelease[] | undefined,
  target: PublishRequest["targets"][number],
  { id, name, priority }: Pick<JobSpec, "id" | "name" | "priority">,
  data: string,
): LoneJob | undefined {
  const { subscription, queue } = target;
  const release = groups && unstagedArgs(own, groups);
  if (groups && !release) return undefined;
  const args: readonly (string | number)[] = [
    version,
    `${own}emitter:${emitter.id}`,
    emitter.seq,
    emitter.ttlMs,
    `${own}seen`,
    subscription,
    target.orphanedAfterMs ?? orphanedAfterMs,
    queue,
    id,
    name,
    priority,
    `{"attempts":1,"priority":${priority}}`,
    data,
  ];
  return release ? [...args, ...release] : args;
}

/** Of a group that has nothing, and whose only event was not staged. */
function unstagedArgs(
  own: string,
  [group, ...others]: readonly GroupRelease[],
): readonly (string | number)[] | undefined {
  if (!group || others.length > 0 || "token" in group) return undefined;
  const { id, events, unstaged } = group;
  if (events > 0 || unstaged === undefined) return undefined;
  return [stagingKey(own, unstaged), REMEMBER_STAGING_MS, groupEventsKey(own, id)];
}
