import { describe, expect, test } from "vitest";
import { createClient } from "./support/client.ts";

const NEW = { events: ["order.placed"], destination: "https://example.com/hooks" };

describe("subscriptions over REST", () => {
  test("a subscription is created with defaults, and shows its secret once", async () => {
    const { call } = await createClient();
    const created = await call("POST", "/subscriptions", { body: NEW });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      ...NEW,
      notifier: "http",
      enabled: true,
      createdBy: "admin",
    });
    expect(created.body.secret).toMatch(/^whsec_/);
    expect(created.headers.get("location")).toBe(`subscriptions/${created.body.id}`);
    expect(created.headers.get("etag")).toBe('"1"');
    const read = await call("GET", `/subscriptions/${created.body.id}`);
    expect(read.status).toBe(200);
    expect(read.text).not.toContain(created.body.secret);
  });

  test("a secret that the client gives is in no answer", async () => {
    const { call } = await createClient();
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const created = await call("POST", "/subscriptions", { body: { ...NEW, secret } });
    expect(created.body.secret).toBeNull();
    expect(created.text).not.toContain("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  });

  test("a list comes in pages, and each links to the next, whatever its prefix is", async () => {
    const { call } = await createClient({ basePath: "/hooks" });
    for (const name of ["a", "b", "c"]) {
      await call("POST", "/subscriptions", {
        body: { ...NEW, destination: `https://${name}.example` },
      });
    }
    const first = await call("GET", "/subscriptions?limit=2&enabled=true");
    expect(first.body.items).toHaveLength(2);
    const link = /<(.*)>; rel="next"/.exec(first.headers.get("link")!)![1]!;
    const next = new URL(link, "http://api.test/hooks/subscriptions?limit=2");
    expect(next.pathname).toBe("/hooks/subscriptions");
    const second = await call("GET", `/subscriptions${next.search}`);
    expect(second.body.items.map((it: { destination: string }) => it.destination)).toEqual([
      "https://a.example",
    ]);
    expect(second.body.cursor).toBeNull();
    expect(second.headers.has("link")).toBe(false);
  });

  test("conditions of a list reach the service", async () => {
    const { call } = await createClient();
    await call("POST", "/subscriptions", { body: { ...NEW, scope: "de" } });
    await call("POST", "/subscriptions", { body: { ...NEW, enabled: false } });
    const count = async (query: string): Promise<number> =>
      (await call("GET", `/subscriptions?${query}`)).body.items.length;
    expect(await count("scope=de")).toBe(1);
    expect(await count("unscoped=true")).toBe(1);
    expect(await count("enabled=false")).toBe(1);
    expect(await count("event=order.placed&notifier=http")).toBe(2);
    expect(await count("text=nowhere")).toBe(0);
    expect(await count("deleted=true")).toBe(0);
  });

  test("PATCH changes what is given, and PUT replaces everything", async () => {
    const { call } = await createClient();
    const { body } = await call("POST", "/subscriptions", {
      body: { ...NEW, label: "Shop", concurrency: 3 },
    });
    const path = `/subscriptions/${body.id}`;
    const patched = await call("PATCH", path, { body: { label: "Store" } });
    expect(patched.body).toMatchObject({
      label: "Store",
      concurrency: 3,
      version: 2,
      modifiedBy: "admin",
    });
    const replaced = await call("PUT", path, { body: NEW });
    expect(replaced.body).toMatchObject({ label: null, concurrency: 10, version: 3 });
  });

  test("a merge patch merges objects, and null means the default", async () => {
    const { call } = await createClient();
    const { body } = await call("POST", "/subscriptions", {
      body: { ...NEW, label: "Shop", settings: { format: "standard", headers: { "x-a": "1" } } },
    });
    const patched = await call("PATCH", `/subscriptions/${body.id}`, {
      body: { label: null, settings: { headers: { "x-b": "2" } } },
      headers: { "content-type": "application/merge-patch+json" },
    });
    expect(patched.body.label).toBeNull();
    expect(patched.body.settings).toEqual({
      format: "standard",
      headers: { "x-a": "1", "x-b": "2" },
    });
    const refused = await call("PATCH", `/subscriptions/${body.id}`, {
      body: { events: null },
      headers: { "content-type": "application/merge-patch+json" },
    });
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].pointer).toBe("#/events");
  });

  test.each(["PATCH", "PUT", "DELETE"])("%s of another version is refused", async (method) => {
    const { call } = await createClient();
    const { body } = await call("POST", "/subscriptions", { body: NEW });
    const path = `/subscriptions/${body.id}`;
    await call("PATCH", path, { body: { label: "changed" } });
    const sent = method === "DELETE" ? {} : { body: NEW };
    const refused = await call(method, path, { ...sent, headers: { "if-match": '"1"' } });
    expect(refused.status).toBe(412);
    const foreign = await call(method, path, { ...sent, headers: { "if-match": '"abc"' } });
    expect(foreign.status).toBe(412);
    const accepted = await call(method, path, { ...sent, headers: { "if-match": 'W/"2"' } });
    expect(accepted.status).toBeLessThan(300);
  });

  test("a merge patch of another version is refused", async () => {
    const { call } = await createClient();
    const { body } = await call("POST", "/subscriptions", { body: NEW });
    const refused = await call("PATCH", `/subscriptions/${body.id}`, {
      body: { label: "x" },
      headers: { "content-type": "application/merge-patch+json", "if-match": '"7"' },
    });
    expect(refused.status).toBe(412);
  });

  test("merge patches that come at the same time are all applied", async () => {
    const { call, services } = await createClient();
    const { body } = await call("POST", "/subscriptions", { body: NEW });
    // Both read the same version before either writes.
    const { get } = services.subscriptions;
    let readers = 0;
    let bothHaveRead!: () => void;
    const together = new Promise<void>((resolve) => (bothHaveRead = resolve));
    services.subscriptions.get = async (id) => {
      const present = await get(id);
      readers += 1;
      if (readers === 2) bothHaveRead();
      if (readers <= 2) await together;
      return present;
    };
    const patch = (settings: object) =>
      call("PATCH", `/subscriptions/${body.id}`, {
        body: { settings },
        headers: { "content-type": "application/merge-patch+json" },
      });
    const replies = await Promise.all([patch({ a: 1 }), patch({ b: 2 })]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    const { body: after } = await call("GET", `/subscriptions/${body.id}`);
    expect(after.settings).toEqual({ a: 1, b: 2 });
  });

  test("a version that the client has is not sent again", async () => {
    const { call } = await createClient();
    const { body } = await call("POST", "/subscriptions", { body: NEW });
    const path = `/subscriptions/${body.id}`;
    const known = await call("GET", path, { headers: { "if-none-match": '"0", W/"1"' } });
    expect(known.status).toBe(304);
    expect(known.text).toBe("");
    const other = await call("GET", path, { headers: { "if-none-match": '"0"' } });
    expect(other.status).toBe(200);
  });

  test("deleting keeps the subscription and its versions readable", async () => {
    const { call } = await createClient();
    const { body } = await call("POST", "/subscriptions", { body: NEW });
    const path = `/subscriptions/${body.id}`;
    expect((await call("DELETE", path)).status).toBe(204);
    expect((await call("GET", path)).body.deletedAt).not.toBeNull();
    const versions = await call("GET", `${path}/versions`);
    expect(versions.body.items.map((it: { version: number }) => it.version)).toEqual([2, 1]);
  });

  test("bulk actions say how many have changed", async () => {
    const { call } = await createClient();
    await call("POST", "/subscriptions", { body: NEW });
    await call("POST", "/subscriptions", { body: { ...NEW, enabled: false } });
    const disabled = await call("POST", "/subscriptions/disable", {
      body: { event: "order.placed" },
    });
    expect(disabled.body).toEqual({ changed: 1, unchanged: 1 });
    const enabled = await call("POST", "/subscriptions/enable", { body: { deleted: false } });
    expect(enabled.body).toEqual({ changed: 2, unchanged: 0 });
  });

  test("a rotated secret is shown once", async () => {
    const { call } = await createClient();
    const { body } = await call("POST", "/subscriptions", { body: NEW });
    const rotated = await call("POST", `/subscriptions/${body.id}/secret`);
    expect(rotated.body.secret).toMatch(/^whsec_/);
    expect(rotated.body.subscription.secrets).toHaveLength(2);
    const grace = await call("POST", `/subscriptions/${body.id}/secret`, { body: { graceMs: 0 } });
    expect(grace.status).toBe(200);
  });

  test("a test sends what it is given, or an example", async () => {
    const { call, services } = await createClient();
    const { body } = await call("POST", "/subscriptions", { body: NEW });
    const path = `/subscriptions/${body.id}/test`;
    expect((await call("POST", path)).body).toMatchObject({ ok: true, status: 200 });
    await call("POST", path, { body: { event: "order.placed", payload: { id: 7 } } });
    expect(services.calls).toEqual([
      ["test", body.id, { event: undefined, payload: undefined }],
      ["test", body.id, { event: "order.placed", payload: { id: 7 } }],
    ]);
  });

  test("public keys of one subscription need no credentials", async () => {
    const { call } = await createClient();
    const { newSecret } = await import("../../src/secrets/secret-text.ts");
    const { body } = await call("POST", "/subscriptions", {
      body: { ...NEW, secret: newSecret("v1a") },
    });
    const keys = await call("GET", `/subscriptions/${body.id}/jwks.json`, { token: null });
    expect(keys.body.keys).toMatchObject([{ kty: "OKP", crv: "Ed25519" }]);
    expect(keys.headers.get("cache-control")).toBe("public, max-age=300");
    expect((await call("GET", "/subscriptions/none/jwks.json", { token: null })).status).toBe(404);
  });

  test("every answer forbids what browsers could do with it", async () => {
    const { call } = await createClient();
    for (const reply of [
      await call("GET", "/subscriptions"),
      await call("GET", "/nothing", { token: null }),
    ]) {
      expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
      expect(reply.headers.get("cache-control")).toBe("no-store");
      expect(reply.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(reply.headers.has("access-control-allow-origin")).toBe(false);
    }
  });

  test("HEAD answers as GET does, without a body", async () => {
    const { call } = await createClient();
    const reply = await call("HEAD", "/subscriptions");
    expect(reply.status).toBe(200);
    expect(reply.text).toBe("");
  });

  test("a failure of the server is logged, and the client gets its id only", async () => {
    const { call, services } = await createClient();
    services.subscriptions.list = () => Promise.reject(new Error("password=hunter2 is wrong"));
    const reply = await call("GET", "/subscriptions");
    expect(reply.status).toBe(500);
    expect(reply.text).not.toContain("hunter2");
    const [failure] = services.failures as [{ failureId: string }];
    expect(reply.body.detail).toContain(failure.failureId);
  });
});
