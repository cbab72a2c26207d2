import type { InstanceBoard, PostedReport } from "../../src/contract/board.ts";
import type { Clock } from "../../src/contract/clock.ts";
import type { JsonObject } from "../../src/contract/json.ts";
import type { EventProvider } from "../../src/contract/provider.ts";
import { memoryProvider, providerLike } from "./test-bus.ts";

/** A board that several buses of a test share. */
export class TestBoard implements InstanceBoard {
  /** Every call fails, as when the server is away. */
  isDown = false;
  posts = 0;
  readonly #clock: Clock;
  readonly #reports = new Map<string, PostedReport & { readonly expiresAt: number }>();
  readonly #feed: { readonly cursor: number; readonly entry: JsonObject }[] = [];
  #watchedUntil = Number.NEGATIVE_INFINITY;
  #lastCursor = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async post(
    instanceId: string,
    report: JsonObject,
    { ttlMs }: { readonly ttlMs: number },
  ): Promise<{ readonly watched: boolean }> {
    this.#assertUp();
    this.posts += 1;
    const expiresAt = this.#clock.monotonic() + ttlMs;
    const text = JSON.stringify(report);
    const stored = JSON.parse(text) as JsonObject;
    const posted = { instanceId, report: stored, writtenAt: this.#clock.now(), expiresAt };
    this.#reports.set(instanceId, posted);
    return { watched: this.#watchedUntil > this.#clock.monotonic() };
  }

  async list(): Promise<readonly PostedReport[]> {
    this.#assertUp();
    const now = this.#clock.monotonic();
    return [...this.#reports.values()].filter(({ expiresAt }) => expiresAt > now);
  }

  async remove(instanceId: string): Promise<void> {
    this.#assertUp();
    this.#reports.delete(instanceId);
  }

  async watch({ ttlMs }: { readonly ttlMs: number }): Promise<void> {
    this.#assertUp();
    this.#watchedUntil = Math.max(this.#watchedUntil, this.#clock.monotonic() + ttlMs);
  }

  async show(entries: readonly JsonObject[], { keep }: { readonly keep: number }): Promise<void> {
    this.#assertUp();
    for (const entry of JSON.parse(JSON.stringify(entries)) as JsonObject[]) {
      this.#lastCursor += 1;
      this.#feed.push({ cursor: this.#lastCursor, entry });
    }
    this.#feed.splice(0, this.#feed.length - keep);
  }

  async read(
    cursor: string | undefined,
    { limit }: { readonly limit: number },
  ): Promise<{ readonly entries: readonly JsonObject[]; readonly cursor: string }> {
    this.#assertUp();
    if (cursor === undefined) return { entries: [], cursor: String(this.#lastCursor) };
    const found = this.#feed.filter((it) => it.cursor > Number(cursor)).slice(0, limit);
    return {
      entries: found.map(({ entry }) => entry),
      cursor: String(found.at(-1)?.cursor ?? cursor),
    };
  }

  #assertUp(): void {
    if (this.isDown) throw new Error("The board is down");
  }
}

/** A provider in memory with a board, which it may share with others. */
export function providerWith(
  board: InstanceBoard,
  members: Partial<EventProvider> = {},
): EventProvider {
  return providerLike(memoryProvider(), { board, ...members });
}
