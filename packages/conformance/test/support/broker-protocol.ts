import type { Socket } from "node:net";
import type { JsonValue, ProviderReport } from "@busbar/core/provider";

/** What a client asks of the broker; one line of JSON each. */
export interface Request {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
  /** What the wall clock of the client says. */
  readonly now: number;
}

/** What the broker says. */
export type Frame =
  | { readonly type: "result"; readonly id: number; readonly result: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: string }
  | { readonly type: "report"; readonly report: ProviderReport }
  | {
      readonly type: "delivery";
      readonly consumer: number;
      readonly number: number;
      readonly envelope: string;
      readonly state?: JsonValue | undefined;
      readonly crashes: number;
    };

/** What a broker, or the client of it, may do wrong. */
export type Mistake =
  | "forgets on restart"
  | "keeps no order once somebody declares none"
  | "parks every failure once somebody parks them"
  | "passes over what an earlier id declares"
  | "ignores namespaces"
  | "acks what a dead worker had"
  | "acks what it hands over"
  | "counts no crashes"
  | "keeps what a dead worker had"
  | "ends leases of those who live"
  | "settles what another has in hand"
  | "never sees an orphan"
  | "does not count what it withholds"
  | "gives a group to two claims"
  | "keeps what an interceptor dropped"
  | "forgets groups with their instance"
  | "lets no group expire"
  | "lets marked groups expire"
  | "retries in two steps"
  | "forgets deduplicationIds with their connection"
  | "accepts before the broker has it"
  | "does not reconnect"
  | "consumes no more after a reconnect"
  | "never notices silence"
  | "waits for ever for an answer to its greeting"
  | "settles no delivery before all that it has in hand"
  | "hangs in stop without a broker"
  | "says it has started without a broker"
  | "reports no states"
  | "filters by its own subscriptions"
  | "acks what it has no code for"
  | "publishes nothing while a consumer closes"
  | "gives up what it has to hand back"
  | "takes the time from its clients"
  | "renews its leases by the wall clock"
  | "tells its own time for that of the broker"
  | "counts no runs"
  | "keeps its socket";

/** Calls back with each line that comes. Not by readline, to which U+2028, as JSON may have it, ends a line, too. */
export function onLines(socket: Socket, callback: (line: string) => void): void {
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) callback(line);
  });
}
