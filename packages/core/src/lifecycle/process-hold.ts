import { MessageChannel, type MessagePort } from "node:worker_threads";

/**
 * Keeps the process alive: a provider in memory, or one whose connections are lost for the moment, has
 * nothing open that does. Not a timer, which tests may fake, and may run until none is left.
 */
export class ProcessHold {
  #port: MessagePort | undefined;

  take(): void {
    this.#port ??= new MessageChannel().port1;
    this.#port.ref();
  }

  /** Lets the process end. Safe to call twice, and before `take`. */
  release(): void {
    this.#port?.close();
    this.#port = undefined;
  }
}
