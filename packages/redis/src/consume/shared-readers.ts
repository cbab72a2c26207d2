import type { Consumer } from "./consumer.ts";
import type { ProcessShare } from "./process-share.ts";
import { QueueReader } from "./queue-reader.ts";

/** The readers of a process: one for each queue, however many consumers empty it. */
export class SharedReaders {
  readonly #share: () => ProcessShare;
  readonly #readers = new Map<string, QueueReader>();

  constructor(share: () => ProcessShare) {
    this.#share = share;
  }

  join(queueName: string, consumer: Consumer): QueueReader {
    let reader = this.#readers.get(queueName);
    if (!reader) {
      reader = new QueueReader(queueName, this.#share());
      this.#readers.set(queueName, reader);
    }
    reader.add(consumer);
    return reader;
  }

  /** Resolves once the consumer gets nothing more from the queue. */
  async leave(queueName: string, consumer: Consumer): Promise<void> {
    const reader = this.#readers.get(queueName);
    const closing = reader?.remove(consumer);
    if (!closing) return;
    this.#readers.delete(queueName);
    await closing;
  }
}
