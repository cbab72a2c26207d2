import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defineAsyncEvents } from "../src/catalogue/define-async-events.ts";
import type { EncryptionKey } from "../src/secrets/key-ring.ts";
import { type Webhooks, webhooks } from "../src/webhooks.ts";
import { databases, type TestDatabase } from "./support/databases.ts";

const keyOf = (id: string, byte: number): EncryptionKey => ({ id, key: Buffer.alloc(32, byte) });
const [old, lost, current] = [keyOf("old", 1), keyOf("lost", 2), keyOf("current", 3)];

describe.each(databases)("a process that starts on %s", (_, create) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await create();
  });
  afterAll(() => database.close());

  /** Runs an application with these keys, and returns what it has logged. */
  async function withKeys(
    encryptionKeys: readonly EncryptionKey[],
    work: (hooks: Pick<Webhooks, "subscriptions">) => Promise<unknown>,
  ): Promise<string> {
    const lines: string[] = [];
    const log = (fields: object, message: string): void => {
      lines.push(`${message} ${(fields as { err?: Error }).err?.message ?? ""}`);
    };
    const logger = { debug: log, info: log, warn: log, error: log };
    const events = defineAsyncEvents({ "order.placed": {} });
    const hooks = webhooks({ events, store: database.createStore(), encryptionKeys });
    const bus = createEventBus({ provider: localProvider(), plugins: [hooks], logger });
    await bus.start();
    try {
      await work(hooks);
    } finally {
      await bus.stop();
    }
    return lines.join("\n");
  }

  test("encrypts with its first key what older keys have encrypted, so that they may go", async () => {
    const destination = "https://example.org/hooks";
    let id = "";
    await withKeys([old], async ({ subscriptions }) => {
      ({ id } = await subscriptions.create({ events: ["order.placed"], destination }));
    });
    const log = await withKeys([current, old], async () => {});
    expect(log).toContain("Secrets are encrypted with the new key");

    await withKeys([current], async ({ subscriptions }) => {
      expect(await subscriptions.rotateSecret(id)).toMatchObject({ subscription: { version: 2 } });
    });
  });

  test("says which key is missing, and starts nevertheless", async () => {
    await withKeys([lost], ({ subscriptions }) =>
      subscriptions.create({ events: ["order.placed"], destination: "https://example.org/hooks" }),
    );
    const log = await withKeys([current], ({ subscriptions }) => subscriptions.list());

    expect(log).toContain('needs the encryption key "lost"');
  });
});
