import { createHash } from "node:crypto";
import type { Broker } from "../broker.ts";
import type { Layout } from "../registry/layout.ts";

/** The ids by which NATS knows events with a deduplication id again: one for each queue. */
export interface RememberedIds {
  /** Resolves with the id of the message that brings an event to a queue. */
  of(queue: number, deduplicationId: string, layout: Layout): Promise<string>;
  /** Makes a queue forget ids. NATS itself forgets none before the window ends, so the queue goes on with others. */
  giveUp(queue: number, deduplicationIds: readonly string[]): Promise<void>;
}

/** Makes the ids of messages. Any text is a deduplication id, and a header takes only some texts. */
export function createRememberedIds({ names, records }: Broker): RememberedIds {
  async function roundOf(queue: number, hash: string): Promise<number> {
    return Number((await records.get(names.givenUpSubject(queue, hash)))?.text ?? 0);
  }

  return {
    async of(queue, deduplicationId, layout) {
      const hash = hashOf(deduplicationId);
      const round = layout.hasGivenUp(queue) ? await roundOf(queue, hash) : 0;
      return `${queue} ${hash} ${round}`;
    },
    async giveUp(queue, deduplicationIds) {
      for (const hash of deduplicationIds.map(hashOf)) {
        const round = await roundOf(queue, hash);
        await records.put(names.givenUpSubject(queue, hash), String(round + 1));
      }
    },
  };
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
