import { createHash, randomUUID } from "node:crypto";
import { BusbarError } from "@busbar/core";
import type { GroupStaging, StagedEvent } from "@busbar/core/provider";
import { isEnvelope } from "../store/stored-events.ts";
import { insistently } from "../store/insistently.ts";
import { decodeKey, encodeKey } from "../store/key-text.ts";
import type { Publisher } from "../publish/publisher.ts";
import { createKnownEvents } from "./known-events.ts";
import type { Session } from "../registry/session.ts";

/** How many events a request stages: others need not wait for thousands. */
const STAGED_AT_ONCE = 10_000;

/** Keeps the events of groups until they are released or cleared. */
export function createGroups(session: Session, publisher: Publisher): GroupStaging {
  const { context, keys, scripts, link, options } = session;
  const stager = randomUUID();
  const known = createKnownEvents();

  /** What cannot be read leaves the group with the others. Its text is kept, to be looked at by hand. */
  async function setAside(id: string, items: readonly string[]): Promise<void> {
    if (items.length === 0) return;
    const key = `${keys.own}corrupt`;
    const named = items.map((item) => [`group ${id} ${digestOf(item)}`, item]);
    await insistently(session, () => link.client.hset(key, Object.fromEntries(named)));
    context.logger.error(
      { key: `${keys.own}group:${id}`, events: items.length, keptIn: key },
      "Staged events cannot be read: their texts are set aside, and the others are released",
    );
  }

  return {
    async stage(eventGroupId, events, { ttlMs, token = randomUUID() }) {
      if (events.length === 0) return;
      const items = events.map(encodeItem);
      const id = encodeKey(eventGroupId);
      const remember = known.staging(eventGroupId);
      for (let from = 0; from < items.length; from += STAGED_AT_ONCE) {
        const some = items.slice(from, from + STAGED_AT_ONCE);
        const call = from === 0 ? token : `${token}:${from}`;
        const args = [id, ttlMs ?? "", call, stager, ...some];
        await insistently(
          session,
          () => scripts.stage(keys.groups, [keys.own, ...args]),
          options.whenDown,
        );
      }
      remember(events, items);
    },

    async mark(eventGroupId) {
      const id = encodeKey(eventGroupId);
      await insistently(session, () => scripts.mark(keys.groups, [keys.own, id]));
    },

    async claim({ eventGroupId, leaseMs }) {
      const token = randomUUID();
      const id = eventGroupId === undefined ? [] : [encodeKey(eventGroupId)];
      const claimed = await insistently(session, () =>
        scripts.claim(keys.groups, [keys.own, leaseMs, token, ...id]),
      );
      if (!claimed) return undefined;
      const [claimedId, items] = claimed;
      const events = items.map(decodeItem);
      await setAside(
        claimedId,
        items.filter((_, index) => !events[index]),
      );
      return {
        eventGroupId: decodeKey(claimedId),
        events: events.filter((event) => event !== undefined),
        token,
      };
    },

    async complete({ eventGroupId, token }, envelopes, options) {
      const release = { id: encodeKey(eventGroupId), token };
      const results = await publisher.publishGroup(release, envelopes, options);
      if (!results) throw claimEnded(eventGroupId);
      return results;
    },

    known: {
      take: (eventGroupId) => known.take(eventGroupId),
      release(eventGroupId, events, envelopes, { unstaged, ...options }) {
        const id = encodeKey(eventGroupId);
        const release = { id, stager, events: events.length, ...(unstaged && { unstaged }) };
        return publisher.publishGroup(release, envelopes, options);
      },
    },

    async abandon({ eventGroupId, token }) {
      const args = [encodeKey(eventGroupId), token];
      await insistently(session, () => scripts.abandon(keys.groups, [keys.own, ...args]));
    },

    async clear(eventGroupId, { eventNames, stepIds }) {
      known.take(eventGroupId);
      const counts = [eventNames?.length ?? -1, stepIds?.length ?? -1];
      const wanted = [...(eventNames ?? []), ...(stepIds ?? [])].map((it) => JSON.stringify(it));
      const args = [encodeKey(eventGroupId), ...counts, ...wanted];
      return insistently(session, () => scripts.clear(keys.groups, [keys.own, ...args]));
    },

    async list() {
      const groups = await insistently(session, () => scripts.listGroups(keys.groups, [keys.own]));
      return groups.map(([id, events, stagedAt, marked]) => ({
        eventGroupId: decodeKey(id),
        events,
        stagedAt: Number(stagedAt),
        marked: marked > 0,
      }));
    },
  };
}

/** Three lines, so that a script finds name and step without reading the rest. */
function encodeItem(event: StagedEvent): string {
  const { name, metadata } = event.envelope;
  return [name, metadata.stepId ?? null, event].map((it) => JSON.stringify(it)).join("\n");
}

/** Undefined if it is no staged event any more. */
function decodeItem(item: string): StagedEvent | undefined {
  try {
    // JSON text has no line breaks.
    const event = JSON.parse(item.slice(item.lastIndexOf("\n") + 1)) as StagedEvent | null;
    return isEnvelope(event?.envelope) ? (event as StagedEvent) : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function claimEnded(eventGroupId: string): BusbarError {
  const message = `The claim on group ${JSON.stringify(eventGroupId)} has ended, and another may have its events`;
  return new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: "redis" });
}
