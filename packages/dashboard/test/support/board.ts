import { createEventBus, type EventBus, type EventBusOptions } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { onTestFinished } from "vitest";
import { type Dashboard, dashboard, type DashboardOptions } from "../../src/dashboard.ts";
import { type Client, signedIn, TOKEN } from "./client.ts";

/** A bus with a dashboard, and somebody who is signed in. */
export interface Board {
  readonly board: Dashboard;
  readonly bus: EventBus;
  readonly client: Client;
}

/** Starts a bus in memory with a dashboard. It is stopped after the test. */
export async function startBoard({
  subscribe,
  options,
  ...busOptions
}: {
  /** Is called before the start. */
  readonly subscribe?: (bus: EventBus) => void;
  readonly options?: DashboardOptions;
} & Partial<EventBusOptions> = {}): Promise<Board> {
  const board = dashboard({ token: TOKEN, ...options });
  const { plugins = [], provider = localProvider(), ...others } = busOptions;
  const bus = createEventBus({
    provider,
    logger: false,
    ...others,
    plugins: [board, ...plugins],
  });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  subscribe?.(bus);
  await bus.start();
  return { board, bus, client: await signedIn(board) };
}

/** Reads server-sent events of a response, one after the other. */
export async function* eventsOf(
  response: Response,
): AsyncGenerator<{ readonly name: string; readonly data: never }, void> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop()!;
    for (const part of parts) {
      const [, name, data] = /^event: (.+)\ndata: (.+)$/s.exec(part) ?? [];
      if (name !== undefined) yield { name, data: JSON.parse(data!) as never };
    }
  }
}
