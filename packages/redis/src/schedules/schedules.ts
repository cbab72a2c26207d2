import type {
  JsonObject,
  ScheduleStore,
  ScheduleWrite,
  StoredSchedule,
} from "@busbar/core/provider";
import type { Publisher } from "../publish/publisher.ts";
import { insistently } from "../store/insistently.ts";
import { createJobIds } from "../store/job-ids.ts";
import { decodeKey, encodeKey } from "../store/key-text.ts";
import { objectIn } from "../store/stored-events.ts";
import type { Store } from "../store/store.ts";

/** Keeps schedules in Redis. Redis says when they are due, whatever the clocks of the processes say. */
export function createSchedules(
  session: Store,
  { publishScheduled }: Pick<Publisher, "publishScheduled">,
): ScheduleStore {
  const { context, keys, link, scripts } = session;
  const tokens = createJobIds();
  /** What cannot be read was logged. */
  const reported = new Set<string>();

  function read(key: string, text: string): readonly StoredSchedule[] {
    const id = decodeKey(key);
    const schedule = readSchedule(id, text);
    if (schedule) return [schedule];
    if (!reported.has(id)) {
      reported.add(id);
      context.logger.error(
        { key: keys.schedules, field: key },
        `What Redis knows of schedule "${id}" cannot be read: it emits nothing until it is set again`,
      );
    }
    return [];
  }

  return {
    async list() {
      const texts = await insistently(session, () => link.client.hgetall(keys.schedules));
      return Object.entries(texts).flatMap(([key, text]) => read(key, text));
    },

    async write(schedule, version) {
      const token = tokens.next(0);
      const args = [
        keys.own,
        encodeKey(schedule.id),
        version ?? "",
        schedule.dueAt ?? "",
        token,
        textOf(schedule, token),
      ];
      const write = (unreadable: string): Promise<number> =>
        insistently(session, () => scripts.writeSchedule(keys.schedules, [...args, unreadable]));
      if ((await write("")) > 0) return true;
      if (version !== undefined) return false;
      // What cannot be read counts as none: it is replaced, if nobody has written anything else meanwhile.
      const key = encodeKey(schedule.id);
      const text = await insistently(session, () => link.client.hget(keys.schedules, key));
      if (!text || readSchedule(schedule.id, text)) return false;
      return (await write(text)) > 0;
    },

    async remove(id) {
      const args = [keys.own, encodeKey(id)];
      const removed = await insistently(session, () =>
        scripts.removeSchedule(keys.schedules, args),
      );
      return removed > 0;
    },

    async due(limit) {
      const [now, found, next] = await insistently(session, () =>
        scripts.dueSchedules(keys.schedules, [keys.own, limit]),
      );
      const schedules: StoredSchedule[] = [];
      for (let at = 0; at < found.length; at += 2) {
        schedules.push(...read(found[at] as string, found[at + 1] as string));
      }
      return next === "" ? { now, schedules } : { now, schedules, nextDueAt: Number(next) };
    },

    fire(schedule, version, envelopes, options) {
      const { id, dueAt } = schedule;
      const firing = {
        id: encodeKey(id),
        version: String(version),
        text: textOf(schedule, tokens.next(0)),
        ...(dueAt !== undefined && { dueAt }),
      };
      return publishScheduled(firing, envelopes, options);
    },
  };
}

/** A schedule as Redis keeps it, without its version. */
function textOf({ record, dueAt }: ScheduleWrite, token: string): string {
  return `${dueAt ?? "-"} ${token} ${JSON.stringify(record)}`;
}

const TEXT = /^(\d+) (\d+|-) \S+ (\{.*)$/s;

function readSchedule(id: string, text: string): StoredSchedule | undefined {
  const [, version, dueAt, json = ""] = TEXT.exec(text) ?? [];
  const record = objectIn(json) as JsonObject | undefined;
  if (!record) return undefined;
  const schedule = { id, record, version: Number(version) };
  return dueAt === "-" ? schedule : { ...schedule, dueAt: Number(dueAt) };
}
