import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a receiver is told: how many webhooks are to come. */
export interface ToReceiver {
  readonly expect: number;
}

/** What a receiver says. */
export type ToParent =
  | { readonly type: "ready"; readonly port: number }
  | { readonly type: "all"; readonly latencies: readonly number[] };

/** Endpoints in a process of their own. */
export class WebhookEndpoints {
  readonly #process: ChildProcess;
  readonly #port: number;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.#port = port;
  }

  static async start(): Promise<WebhookEndpoints> {
    const file = fileURLToPath(new URL("webhook-receiver.js", import.meta.url));
    // Only the process that delivers is looked at.
    const process = fork(file, { execArgv: [] });
    const [message] = (await once(process, "message")) as [ToParent];
    return new WebhookEndpoints(process, message.type === "ready" ? message.port : 0);
  }

  /** An endpoint. `hangs` never answers, all others do at once. */
  url(path: string): string {
    return `http://127.0.0.1:${this.#port}/${path}`;
  }

  /**
   * Resolves when so many webhooks have come from now on, with the milliseconds from their `sentAt` to their first byte,
   * for those that have one.
   */
  async expect(count: number): Promise<readonly number[]> {
    this.#process.send({ expect: count } satisfies ToReceiver);
    const [message] = (await once(this.#process, "message")) as [ToParent];
    return message.type === "all" ? message.latencies : [];
  }

  close(): void {
    this.#process.disconnect();
  }
}

/** A clock that all processes of this machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1_000_000;
}
