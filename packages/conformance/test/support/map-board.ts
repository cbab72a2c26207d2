import type { InstanceBoard, JsonObject, PostedReport } from "@busbar/core/provider";

/** Ways in which a board can be wrong. */
export type BoardMistake =
  | "keeps the first report"
  | "keeps reports for ever"
  | "never says that anyone watches"
  | "says for ever that someone watches"
  | "ends a watch with a shorter one"
  | "reads what came before"
  | "keeps every entry"
  | "reads nothing for a cursor that it does not know";

/** A board in memory, which may be wrong. */
export function createMapBoard(mistake?: BoardMistake): InstanceBoard {
  const reports = new Map<string, PostedReport & { readonly expiresAt: number }>();
  let feed: { readonly at: number; readonly entry: JsonObject }[] = [];
  let watchedUntil = Number.NEGATIVE_INFINITY;
  let last = 0;
  return {
    async post(instanceId, report, { ttlMs }) {
      const isKept = mistake === "keeps the first report" && reports.has(instanceId);
      const expiresAt = performance.now() + ttlMs;
      if (!isKept)
        reports.set(instanceId, { instanceId, report, writtenAt: Date.now(), expiresAt });
      const forEver = mistake === "says for ever that someone watches" && watchedUntil > 0;
      const never = mistake === "never says that anyone watches";
      return { watched: !never && (forEver || watchedUntil > performance.now()) };
    },
    async list() {
      const now = mistake === "keeps reports for ever" ? 0 : performance.now();
      return [...reports.values()]
        .filter(({ expiresAt }) => expiresAt > now)
        .map(({ instanceId, report, writtenAt }) => ({ instanceId, report, writtenAt }));
    },
    async remove(instanceId) {
      reports.delete(instanceId);
    },
    async watch({ ttlMs }) {
      const until = performance.now() + ttlMs;
      const isLast = mistake === "ends a watch with a shorter one";
      watchedUntil = isLast ? until : Math.max(watchedUntil, until);
    },
    async show(entries, { keep }) {
      for (const entry of entries) feed.push({ at: (last += 1), entry });
      if (mistake !== "keeps every entry") feed = feed.slice(-keep);
    },
    async read(cursor, { limit }) {
      const isFirst = cursor === undefined && mistake !== "reads what came before";
      const known = Number(cursor ?? 0);
      const isLost = mistake === "reads nothing for a cursor that it does not know";
      const after = isFirst ? last : Number.isNaN(known) ? (isLost ? last : 0) : known;
      const found = feed.filter(({ at }) => at > after).slice(0, limit);
      return {
        entries: found.map(({ entry }) => entry),
        cursor: String(found.at(-1)?.at ?? after),
      };
    },
  };
}
