import { describe, expect, test } from "vitest";
import { createClient } from "./support/client.ts";

const NEW = { events: ["order.placed"], destination: "https://example.com/hooks" };
const KEY = { "idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324" };

describe("idempotency keys", () => {
  test("a repeat gets the first answer again, with its secret, and changes nothing", async () => {
    const { call } = await createClient();
    const first = await call("POST", "/subscriptions", { body: NEW, headers: KEY });
    const repeat = await call("POST", "/subscriptions", { body: NEW, headers: KEY });
    expect(repeat.status).toBe(201);
    expect(repeat.body).toEqual(first.body);
    expect(repeat.headers.get("idempotency-replayed")).toBe("true");
    expect(repeat.headers.get("location")).toBe(first.headers.get("location"));
    expect((await call("GET", "/subscriptions")).body.items).toHaveLength(1);
  });

  test("a key of another body or resource is refused", async () => {
    const { call } = await createClient();
    await call("POST", "/subscriptions", { body: NEW, headers: KEY });
    const otherBody = await call("POST", "/subscriptions", {
      body: { ...NEW, label: "x" },
      headers: KEY,
    });
    expect(otherBody.status).toBe(422);
    expect(otherBody.body.errors[0].header).toBe("Idempotency-Key");
    const otherPath = await call("POST", "/replays", { body: {}, headers: KEY });
    expect(otherPath.status).toBe(422);
  });

  test("a request whose first one is in progress waits for nothing", async () => {
    const { call, services } = await createClient();
    const { create } = services.subscriptions;
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let began!: () => void;
    const begun = new Promise<void>((resolve) => (began = resolve));
    services.subscriptions.create = async (...given) => {
      began();
      await released;
      return create(...given);
    };
    const first = call("POST", "/subscriptions", { body: NEW, headers: KEY });
    await begun;
    const second = await call("POST", "/subscriptions", { body: NEW, headers: KEY });
    expect(second.status).toBe(409);
    expect(second.headers.get("retry-after")).toBe("1");
    release();
    expect((await first).status).toBe(201);
  });

  test("a request that has failed may be repeated with the same key", async () => {
    const { call, services } = await createClient();
    const { create } = services.subscriptions;
    services.subscriptions.create = () => Promise.reject(new Error("no disk"));
    expect((await call("POST", "/subscriptions", { body: NEW, headers: KEY })).status).toBe(500);
    services.subscriptions.create = create;
    expect((await call("POST", "/subscriptions", { body: NEW, headers: KEY })).status).toBe(201);
  });

  test("callers do not share keys", async () => {
    const { call } = await createClient({
      tokens: [{ name: "other", token: "the-token-of-another", permissions: ["webhooks"] }],
    });
    await call("POST", "/subscriptions", { body: NEW, headers: KEY });
    const other = await call("POST", "/subscriptions", {
      body: NEW,
      headers: KEY,
      token: "the-token-of-another",
    });
    expect(other.headers.has("idempotency-replayed")).toBe(false);
    expect((await call("GET", "/subscriptions")).body.items).toHaveLength(2);
  });
});
