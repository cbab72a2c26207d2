import { type JsonValue, type Settlement, stateOfCorrupt } from "@busbar/core/provider";
import { CORRUPT } from "../corrupt.ts";
import { encodeLabel } from "../key-text.ts";
import { readJobData } from "../lean-events.ts";
import type { TurnSpec } from "../scripts/publish-script.ts";
import type { TurnRequest } from "../scripts/turn-script.ts";
import { createDeadLetter } from "./dead-letter.ts";
import { type History, type JobData, readData, type TakenJob, writeData } from "./job-data.ts";
import type { RunReader } from "./run-owner.ts";

/** What a step of a turn asks for, with the texts that go with it. */
export type TurnStep = Partial<Pick<TurnRequest, "replacesHead" | "dead" | "next" | "take">> & {
  readonly texts?: readonly string[];
};

/** Makes the parts of steps of one turn. */
export class TurnSteps {
  readonly #job: TakenJob;
  readonly #subscription: string;
  readonly #reader: RunReader;
  readonly #blocks: boolean;

  /**
   * @param subscription The present id of the subscription.
   * @param blocks Whether this release wants a dead letter to block the key.
   */
  constructor(job: TakenJob, subscription: string, reader: RunReader, blocks: boolean) {
    this.#job = job;
    this.#subscription = subscription;
    this.#reader = reader;
    this.#blocks = blocks;
  }

  /** The job for the lane's next turn: before what waits in the queue, or behind it. */
  nextTurn({
    delayMs = 0,
    front = false,
  }: { readonly delayMs?: number; readonly front?: boolean } = {}): TurnSpec {
    const { id, name, priority, data } = this.#job;
    const { queue } = this.#reader;
    const delay = Math.max(Math.ceil(delayMs), 0);
    const isFirst = front && delay === 0;
    return {
      id: isFirst ? this.#reader.frontId(id, 0) : queue.ids.next(0),
      name,
      priority,
      delay,
      data: JSON.stringify({ subscription: data.subscription, key: data.key ?? "" }),
      ...(isFirst ? { front: true } : {}),
    };
  }

  /** The head, as it was, has another history. */
  replaceHead(text: string, history: History): TurnStep {
    const { subscription, events = [] } = readJobData<JobData>(text);
    const texts = events.map((event) => JSON.stringify(event));
    return { replacesHead: true, texts: [writeData(subscription, texts, history)] };
  }

  /** The head is dead. */
  buryHead(text: string, { reason, state }: Settlement & { readonly type: "dead" }): TurnStep {
    const [envelope] = readData(text).data.events ?? [];
    const data = writeData(this.#subscription, [JSON.stringify(envelope)]);
    return this.#bury(data, encodeLabel(envelope?.name ?? ""), reason, state);
  }

  /** The head cannot be read: it is a dead letter as it is. */
  setHeadAside(text: string, problem: string): TurnStep {
    const state = stateOfCorrupt(`The delivery ${problem}`, this.#reader.queue.serverNow);
    return this.#bury(text, "", CORRUPT, state);
  }

  #bury(data: string, name: string, reason: string, state: JsonValue): TurnStep {
    const { queue } = this.#reader;
    const { spec, texts } = createDeadLetter({
      id: queue.deadLetterId(),
      subscription: this.#subscription,
      data,
      reason,
      state,
      queue: queue.key,
      name,
      priority: this.#job.priority,
      key: this.#job.data.key ?? "",
      turn: this.nextTurn(),
    });
    return { dead: { ...spec, blocks: this.#blocks }, texts };
  }
}
