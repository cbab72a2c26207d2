import type { Socket } from "node:net";
import { faultOf } from "../http/fault-of.ts";
import { HttpFault } from "../http/http-fault.ts";

/** Characters of one line that the other side may answer. */
const LONGEST_ANSWER = 16_384;

/** A line that waits for its answer. */
interface Pending {
  readonly resolve: (answer: string) => void;
  readonly reject: (fault: HttpFault) => void;
}

/** A connection on which each line is answered by a line, in the same order. */
export class LineConnection {
  readonly #socket: Socket;
  readonly #onClose: () => void;
  /** Lines that wait for their answers, the first one sent first. */
  readonly #pending: Pending[] = [];
  #received = "";
  #fault: HttpFault | undefined;

  /**
   * @param idleMs Milliseconds without traffic after which the connection is closed, if nothing waits for an answer.
   * @param onClose Called once, when the connection cannot be used any more.
   */
  constructor(socket: Socket, idleMs: number, onClose: () => void) {
    this.#socket = socket;
    this.#onClose = onClose;
    socket
      .setEncoding("utf8")
      .setTimeout(idleMs, () => {
        if (this.#pending.length === 0) socket.destroy();
      })
      .on("data", (text: string) => this.#read(text))
      .on("error", (error) => this.end(faultOf(error)))
      .once("close", () =>
        this.end(new HttpFault("connection_reset", "The connection was closed")),
      );
  }

  /** Whether nothing waits for an answer. */
  get isIdle(): boolean {
    return this.#pending.length === 0;
  }

  /**
   * Sends a line, and resolves with the line that answers it.
   *
   * @throws HttpFault when the connection ends before.
   */
  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#fault) throw this.#fault;
      this.#pending.push({ resolve, reject });
      this.#socket.write(line);
    });
  }

  /**
   * Sends a line, and resolves when the operating system has taken it.
   *
   * @throws HttpFault when the connection ends before.
   */
  tell(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#fault) throw this.#fault;
      this.#socket.write(line, (error) => (error ? reject(faultOf(error)) : resolve()));
    });
  }

  /** Closes the connection. What waits for an answer fails. */
  end(fault: HttpFault): void {
    if (this.#fault) return;
    this.#fault = fault;
    this.#onClose();
    this.#socket.destroy();
    for (const { reject } of this.#pending.splice(0)) reject(fault);
  }

  #read(text: string): void {
    const lines = (this.#received + text).split("\n");
    this.#received = lines.pop() ?? "";
    for (const line of lines) this.#pending.shift()?.resolve(line.trimEnd());
    if (this.#received.length > LONGEST_ANSWER) {
      this.end(new HttpFault("protocol_error", "The answer has a line without an end"));
    }
  }
}
