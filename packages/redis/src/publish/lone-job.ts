import type { PublishRequest } from "../scripts/publish-script.ts";

/** The arguments of the short script, if all that a publish adds is one job of one subscription, at once. */
export function loneJobOf(
  { own, version, orphanedAfterMs, emitter, targets, packs, lanes, groups }: PublishRequest,
  texts: readonly string[],
): readonly (string | number)[] | undefined {
  const [pack] = packs;
  const [target] = targets;
  const [data] = texts;
  if (!pack || !target || packs.length > 1 || lanes.length > 0 || groups) return undefined;
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
  ];
}
