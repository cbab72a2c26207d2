import { groupEventsKey, REMEMBER_STAGING_MS, stagingKey } from "../scripts/group-library.ts";
import type { GroupRelease, PublishRequest } from "../scripts/publish-script.ts";

/** The arguments of the short script, if all that a publish adds is one job of one subscription, at once. */
export function loneJobOf(
  { own, version, orphanedAfterMs, emitter, targets, packs, lanes, groups }: PublishRequest,
  texts: readonly string[],
): readonly (string | number)[] | undefined {
  const [pack] = packs;
  const [target] = targets;
  const [data] = texts;
  if (!pack || !target || packs.length > 1 || lanes.length > 0) return undefined;
  const release = groups && unstagedArgs(own, groups);
  if (groups && !release) return undefined;
  const { id, name, priority, delay, dedup } = pack.job;
  // A tail is still to be put behind its events.
  if (!data || texts.length > 1 || pack.tail !== undefined || pack.body) return undefined;
  if (delay > 0 || dedup) return undefined;
  return [
    version,
    `${own}emitter:${emitter.id}`,
    emitter.seq,
    emitter.ttlMs,
    `${own}seen`,
    target.subscription,
    orphanedAfterMs,
    target.queue,
    id,
    name,
    priority,
    `{"attempts":1,"priority":${priority}}`,
    data,
    ...(release ?? []),
  ];
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
