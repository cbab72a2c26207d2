import { isLasting, isRefusal, LostWhileSent, MOST_LOSSES } from "../store/redis-errors.ts";
import { ONE_ANSWER } from "../store/publish-one-script.ts";
import type { PublishAnswer, PublishRequest } from "../store/publish-script.ts";
import type { Store } from "../store/store.ts";
import { LARGE_BYTES, largestAbove } from "../store/text-sizes.ts";
import type { Body } from "./bodies.ts";
import { type LoneJob, loneJobOf } from "./lone-job.ts";
import type { PackedBatch } from "./packs.ts";

/** Milliseconds before a publish whose answer was lost is sent again over a link that looks ready. */
const AGAIN_AFTER_MS = 20;
/** Milliseconds after which a draft goes whose publish has not come: it is sent in the same write. */
const DRAFT_MS = 60_000;

/** What a publish is answered at last. */
export type Answered = Exclude<PublishAnswer, readonly ["undrafted"]>;

/**
 * Sends a publish until it is answered: the same request again does nothing but answer.
 *
 * @param isInShort Whether the short script may be used, where it can.
 */
export type SendRequest = (
  request: PublishRequest,
  packed: Pick<PackedBatch, "texts" | "bodies">,
  deadline: number,
  isInShort: boolean,
) => Promise<Answered>;

export function createRequestSender({
  context: { clock, logger },
  keys,
  link,
  options: { whenDown },
  scripts,
}: Pick<Store, "context" | "keys" | "link" | "options" | "scripts">): SendRequest {
  async function sendUntilAnswered(
    given: PublishRequest,
    { texts, bodies }: Pick<PackedBatch, "texts" | "bodies">,
    deadline: number,
    isInShort: boolean,
  ): Promise<Answered> {
    const lone = isInShort ? loneJobOf(given, texts) : undefined;
    const from = clock.monotonic();
    let attempt = 1;
    let losses = 0;
    for (let request = given; ; request = sooner(given, clock.monotonic() - from)) {
      let sent: Promise<unknown> | undefined;
      try {
        if (bodies.length === 0) return await sendOnce(request, texts, lone);
        link.gather();
        // Not those of an attempt that may have arrived: they are bodies by now.
        const drafts = `${request.drafts}${attempt}:`;
        attempt += 1;
        sent = sendDrafts(drafts, bodies);
        return await sendOnce({ ...request, drafts }, texts, undefined, sent);
      } catch (error) {
        // A draft that Redis refuses for good may have ended the connection.
        const refused = await sent?.then(noProblem, onlyLasting);
        if (refused) throw refused;
        if (isLasting(error) || isRefusal(error) || clock.monotonic() >= deadline) throw error;
        losses += 1;
        if (losses === MOST_LOSSES && largestOf({ texts, bodies }) > 0) {
          throw new LostWhileSent();
        }
        logger.debug({ err: error }, "The answer to a publish was lost; it is sent again");
      }
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, AGAIN_AFTER_MS, { keepAlive: true });
      });
      if (whenDown === "reject" && link.isDown) {
        throw new Error("The connection to Redis was lost while the answer was on its way", {
          cause: link.away(),
        });
      }
      await link.whenReady(deadline);
    }
  }

  /** Before the script, in the same connection. What became of them, the script finds out. */
  function sendDrafts(prefix: string, bodies: readonly Body[]): Promise<unknown> {
    const made = scripts.draft(prefix, [bodies.length, DRAFT_MS]);
    const filled = bodies.map(({ packs }, at) => {
      const fields = packs.flatMap((pack, index) => [String(index + 1), pack]);
      return link.client.hset(`${prefix}${at + 1}`, ...fields);
    });
    const all = Promise.all([made, ...filled]);
    all.catch(() => {});
    return all;
  }

  async function sendOnce(
    request: PublishRequest,
    texts: readonly string[],
    lone: LoneJob | undefined,
    drafts?: Promise<unknown>,
  ): Promise<Answered> {
    if (lone) {
      const answer = await scripts.publishOne(keys.version, lone);
      if (answer === ONE_ANSWER.done) return ["done", [], [], []];
      if (answer === ONE_ANSWER.stale) return ["stale"];
    }
    const answer = await scripts.publish(keys.version, request, texts);
    if (answer[0] !== "undrafted") return answer;
    // Says why, unless they have expired.
    await drafts;
    throw new Error("What a publish refers to has expired");
  }

  return sendUntilAnswered;
}

/** The bytes of the largest text, if any is large. */
export function largestOf({ texts, bodies }: Pick<PackedBatch, "texts" | "bodies">): number {
  let largest = largestAbove(LARGE_BYTES, texts);
  for (const { packs } of bodies) largest = Math.max(largest, largestAbove(LARGE_BYTES, packs));
  return largest;
}

function noProblem(): undefined {
  return undefined;
}

function onlyLasting(error: unknown): Error | undefined {
  return isLasting(error) ? error : undefined;
}

/** A publish that is sent again `ms` milliseconds later: what is left of its delays. */
function sooner(request: PublishRequest, ms: number): PublishRequest {
  const packs = request.packs.map((pack) => {
    const { delay } = pack.job;
    // It stays a delayed one: that may have another way into its queue.
    return delay === 0
      ? pack
      : { ...pack, job: { ...pack.job, delay: Math.max(Math.ceil(delay - ms), 1) } };
  });
  return { ...request, packs };
}
