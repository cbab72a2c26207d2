import type { InstanceBoard, JsonObject, PostedReport } from "@busbar/core/provider";
import { insistently } from "../store/insistently.ts";
import type { Session } from "../registry/session.ts";
import { objectIn } from "../store/stored-events.ts";

/** Makes the board of a bus: a few keys that all expire. */
export function createBoard(session: Session): InstanceBoard {
  const { keys, scripts } = session;
  const instances = `${keys.own}board`;
  const feed = `${keys.own}board-feed`;
  const feedEnd = `${keys.own}board-feed-end`;
  const insist = <T>(work: () => Promise<T>): Promise<T> => insistently(session, work, "reject");

  return {
    async post(instanceId, report, { ttlMs }) {
      const args = [keys.own, instanceId, JSON.stringify(report), ttlMs];
      return { watched: (await insist(() => scripts.boardPost(instances, args))) === 1 };
    },

    async list() {
      const listed = await insist(() => scripts.boardList(instances, [keys.own]));
      return listed.flatMap((instanceId, index) =>
        index % 2 === 0 ? readReport(instanceId, listed[index + 1] as string) : [],
      );
    },

    async remove(instanceId) {
      await insist(() => scripts.boardRemove(instances, [keys.own, instanceId]));
    },

    async watch({ ttlMs }) {
      await insist(() => scripts.boardWatch(`${keys.own}board-watched`, [ttlMs]));
    },

    async show(entries, { keep }) {
      if (entries.length === 0) return;
      const texts = entries.map((entry) => JSON.stringify(entry));
      // Once: an answer that is lost would have it shown twice.
      await scripts.boardShow(feed, [feedEnd, keep, ...texts]);
    },

    async read(cursor, { limit }) {
      const args = [feedEnd, cursor ?? "", limit];
      const [last, texts] = await insist(() => scripts.boardRead(feed, args));
      const entries = texts.map(objectIn).filter((entry) => entry !== undefined);
      return { entries, cursor: last };
    },
  };
}

function readReport(instanceId: string, text: string): PostedReport | [] {
  const { writtenAt, report } = objectIn(text) ?? {};
  const isReport = typeof report === "object" && report !== null && !Array.isArray(report);
  if (typeof writtenAt !== "number" || !isReport) return [];
  return { instanceId, writtenAt, report: report as JsonObject };
}
