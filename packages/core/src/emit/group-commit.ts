import type { Envelope, PublishResult } from "../contract/provider.ts";
import { isLastingError } from "../errors/safe-error.ts";

/** Hands one batch to the provider. */
export type SendBatch = (batch: readonly Envelope[]) => Promise<readonly PublishResult[]>;

/** Results of envelopes, each at its index; undefined where nothing is known yet. */
export type PublishResults = (PublishResult | undefined)[];

interface Call {
  readonly envelopes: readonly Envelope[];
  readonly results: PublishResults;
  /** How many envelopes have left. */
  sent: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** What leaves of a call in one batch. */
interface Part {
  readonly call: Call;
  readonly from: number;
  readonly to: number;
}

const NOT_SENT: PublishResult = {
  status: "rejected",
  code: "refused",
  reason: "was not handed to the provider",
  retryable: true,
};

/** Whether the provider may take it, if it is asked again. */
export function isRetryable(result: PublishResult | undefined): boolean {
  return result?.status === "rejected" && result.retryable === true;
}

/** Taken once: a test that replaces the timers of Node may replace this, and would stop every emit. */
const nextTick = process.nextTick.bind(process);

/**
 * Group commit: one publish at a time, and what is emitted meanwhile leaves together in the next, up
 * to `maxBatch` envelopes. What is emitted in one turn of the event loop leaves together: were the first
 * to leave alone, the others would wait for its answer, which takes a turn of a busy loop. An idle bus adds
 * no latency: a lone emit leaves in its own turn.
 *
 * Callers that left together and were refused for good leave again, each on its own and once: the fault may be
 * that of one of them.
 */
export class GroupCommit {
  readonly #send: SendBatch;
  readonly #maxBatch: number;
  readonly #queue: Call[] = [];
  /** What was refused for good together with others, and leaves on its own. */
  #apart: readonly Part[] = [];
  #sending = false;

  constructor(send: SendBatch, maxBatch: number) {
    this.#send = send;
    this.#maxBatch = maxBatch;
  }

  /**
   * Resolves once every envelope has its result in `results`. Rejects if one of its batches does:
   * `results` tells what became of the others. Behind a refusal that is worth another try nothing of
   * the call leaves: it would overtake.
   */
  publish(
    envelopes: readonly Envelope[],
    results: PublishResults,
    resolve: () => void,
    reject: (error: unknown) => void,
  ): void {
    this.#queue.push({ envelopes, results, sent: 0, resolve, reject });
    if (this.#sending) return;
    this.#sending = true;
    nextTick(() => void this.#sendAll());
  }

  /** Takes back what has not left of a call: its results say so. */
  withdraw(envelopes: readonly Envelope[], result: PublishResult = NOT_SENT): void {
    this.#apart = this.#apart.filter(({ call }) => call.envelopes !== envelopes);
    const index = this.#queue.findIndex((call) => call.envelopes === envelopes);
    const [call] = index === -1 ? [] : this.#queue.splice(index, 1);
    if (!call) return;
    for (let at = call.sent; at < envelopes.length; at += 1) call.results[at] = result;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        await this.#sendParts(this.#takeBatch());
        if (this.#apart.length > 0) await this.#sendApart();
        // Callers that go on now may emit again.
        await new Promise<void>((resolve) => nextTick(resolve));
      }
    } finally {
      this.#sending = false;
    }
  }

  async #sendApart(): Promise<void> {
    for (let [part] = this.#apart; part; [part] = this.#apart) {
      this.#apart = this.#apart.slice(1);
      // Nothing is known of it until the provider answers.
      part.call.results.fill(undefined, part.from, part.to);
      await this.#sendParts([part]);
    }
  }

  async #sendParts(parts: readonly Part[]): Promise<void> {
    try {
      const results = await this.#send(batchOf(parts));
      let next = 0;
      for (const { call, from, to } of parts) {
        for (let at = from; at < to; at += 1) call.results[at] = results[next++];
      }
    } catch (error) {
      if (parts.length > 1 && isLastingError(error)) {
        this.#apart = parts;
        return;
      }
      for (const { call } of parts) {
        this.withdraw(call.envelopes);
        call.reject(error);
      }
      return;
    }
    const refused = parts.length > 1 ? parts.filter(isRefusedForGood) : [];
    if (refused.length > 1) this.#apart = refused;
    for (const part of parts) if (!this.#apart.includes(part)) this.#end(part);
  }

  #end({ call, from, to }: Part): void {
    let cut: PublishResult | undefined;
    for (let at = from; at < to; at += 1) {
      const result = call.results[at];
      if (result?.status === "rejected" && result.retryable) cut ??= result;
    }
    if (cut) this.withdraw(call.envelopes, isRetryable(cut) ? NOT_SENT : cut);
    if (cut || to === call.envelopes.length) call.resolve();
  }

  #takeBatch(): Part[] {
    const parts: Part[] = [];
    let room = this.#maxBatch;
    while (room > 0) {
      const call = this.#queue[0];
      if (!call) break;
      const from = call.sent;
      call.sent = Math.min(call.envelopes.length, from + room);
      room -= call.sent - from;
      parts.push({ call, from, to: call.sent });
      if (call.sent === call.envelopes.length) this.#queue.shift();
    }
    return parts;
  }
}

/** The envelopes of a batch: where that is one whole call, the array that it has. */
function batchOf(parts: readonly Part[]): readonly Envelope[] {
  const [first] = parts;
  if (first && parts.length === 1 && first.to - first.from === first.call.envelopes.length) {
    return first.call.envelopes;
  }
  return parts.flatMap(({ call, from, to }) => call.envelopes.slice(from, to));
}

/** Whether the provider has refused every envelope of a part, and would refuse them again. */
function isRefusedForGood({ call, from, to }: Part): boolean {
  for (let at = from; at < to; at += 1) {
    const result = call.results[at];
    const isLasting =
      result?.status === "rejected" && result.code !== "overloaded" && !result.retryable;
    if (!isLasting) return false;
  }
  return true;
}
