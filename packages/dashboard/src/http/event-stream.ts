import { systemClock, type Timer } from "@busbar/core/provider";
import { Problem } from "./problem.ts";

/** Streams that may be open at the same time. */
const MOST_STREAMS = 100;
/** Milliseconds between two comments that keep a connection open, also in the eyes of proxies. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds after which a stream ends. The browser opens another one, and has to be signed in for that. */
const LONGEST_MS = 3_600_000;
/** Bytes that wait for a slow client at most. */
const BUFFER_BYTES = 262_144;

/** A stream of server-sent events to one client. */
export interface EventStream {
  /** Aborts when the stream ends, for whatever reason. */
  readonly signal: AbortSignal;
  /**
   * Sends an event.
   *
   * @returns False if the event was left out, because the client does not read fast enough.
   */
  readonly send: (name: string, data: unknown) => boolean;
}

/** The streams that are open. */
export class EventStreams {
  readonly #open = new Set<() => void>();

  /** How many streams are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Answers a request with a stream.
   *
   * @param follow Is called once, and sends events until `signal` aborts. If it rejects, the stream ends.
   * @throws Problem when too many streams are open.
   */
  open(request: Request, follow: (stream: EventStream) => Promise<void>): Response {
    const headers = {
      "content-type": "text/event-stream",
      // nginx would collect what it gets.
      "x-accel-buffering": "no",
    };
    if (request.method === "HEAD") return new Response(null, { headers });
    if (this.#open.size >= MOST_STREAMS) {
      const detail = `${MOST_STREAMS} live views are open`;
      throw new Problem("unavailable", detail, { headers: { "retry-after": "10" } });
    }
    const body = this.#body(request.signal, follow);
    return new Response(body, { headers });
  }

  /** Ends every stream. */
  close(): void {
    for (const end of this.#open) end();
  }

  #body(
    gone: AbortSignal,
    follow: (stream: EventStream) => Promise<void>,
  ): ReadableStream<Uint8Array> {
    const ending = new AbortController();
    const timers: Timer[] = [];
    const encoder = new TextEncoder();
    let end = (): void => undefined;
    const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
      end = () => {
        if (ending.signal.aborted) return;
        ending.abort();
        this.#open.delete(end);
        gone.removeEventListener("abort", end);
        for (const timer of timers.splice(0)) timer.cancel();
        try {
          controller.close();
        } catch {
          // The client has closed it.
        }
      };
      // The client may have left before the stream began.
      if (gone.aborted) return end();
      this.#open.add(end);
      gone.addEventListener("abort", end);
      const write = (text: string): boolean => {
        if (ending.signal.aborted || (controller.desiredSize ?? 0) <= 0) return false;
        controller.enqueue(encoder.encode(text));
        return true;
      };
      const beat = (): void => {
        // A client that has not read anything for so long is gone.
        if (!write(":\n\n")) return end();
        timers[0] = systemClock.setTimeout(beat, HEARTBEAT_MS);
      };
      timers.push(
        systemClock.setTimeout(beat, HEARTBEAT_MS),
        systemClock.setTimeout(end, LONGEST_MS),
      );
      // The browser says that the stream is open when it has got something.
      write(":\n\n");
      const send = (name: string, data: unknown): boolean =>
        write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
      void follow({ signal: ending.signal, send }).then(end, end);
    };
    const strategy = new ByteLengthQueuingStrategy({ highWaterMark: BUFFER_BYTES });
    return new ReadableStream<Uint8Array>({ start, cancel: () => end() }, strategy);
  }
}
