import { describe, expect, test } from "vitest";
import { createHash } from "node:crypto";
import { bearerTokens } from "../../src/rest/authentication.ts";
import { isAllowed, PERMISSIONS } from "../../src/rest/permissions.ts";
import { createClient, documentOf } from "./support/client.ts";

const NEW = { events: ["order.placed"], destination: "https://example.com/hooks" };

/** Each resource, and what it needs: written once more, by hand. */
const NEEDS: readonly [string, string, string, unknown?][] = [
  ["GET", "/subscriptions", "webhooks.subscriptions.view"],
  ["POST", "/subscriptions", "webhooks.subscriptions.create", NEW],
  ["GET", "/subscriptions/x", "webhooks.subscriptions.get"],
  ["PATCH", "/subscriptions/x", "webhooks.subscriptions.save", {}],
  ["PUT", "/subscriptions/x", "webhooks.subscriptions.save", NEW],
  ["DELETE", "/subscriptions/x", "webhooks.subscriptions.delete"],
  ["GET", "/subscriptions/x/versions", "webhooks.subscriptions.get"],
  ["GET", "/subscriptions/x/endpoint", "webhooks.subscriptions.get"],
  ["GET", "/endpoints/failing", "webhooks.subscriptions.view"],
  ["POST", "/subscriptions/x/secret", "webhooks.subscriptions.save"],
  ["POST", "/subscriptions/x/test", "webhooks.subscriptions.save"],
  ["POST", "/subscriptions/enable", "webhooks.subscriptions.save", { deleted: false }],
  ["POST", "/subscriptions/disable", "webhooks.subscriptions.save", { deleted: false }],
  ["POST", "/filters/test", "webhooks.subscriptions.view", { filter: {}, event: { data: {} } }],
  ["GET", "/deliveries", "webhooks.logs.list"],
  ["GET", "/deliveries/x", "webhooks.logs.trace"],
  ["POST", "/deliveries/x/replay", "webhooks.logs.replay"],
  ["POST", "/deliveries/x/cancel", "webhooks.logs.replay"],
  ["GET", "/attempts", "webhooks.logs.list"],
  ["GET", "/attempts/count", "webhooks.logs.list"],
  ["GET", "/attempts/export", "webhooks.logs.list"],
  ["GET", "/replays", "webhooks.logs.replay"],
  ["POST", "/replays", "webhooks.logs.replay", {}],
  ["GET", "/replays/x", "webhooks.logs.replay"],
  ["POST", "/replays/x/cancel", "webhooks.logs.replay"],
  ["POST", "/events/x/replay", "webhooks.logs.replay"],
  ["POST", "/recover", "webhooks.logs.replay", { since: "2026-11-30" }],
  ["POST", "/rest/V1/async_event", "webhooks.subscriptions.create", {}],
  ["GET", "/rest/V1/async_event/x", "webhooks.subscriptions.get"],
  ["GET", "/rest/V1/async_events", "webhooks.subscriptions.view"],
  ["PUT", "/rest/V1/async_event/x", "webhooks.subscriptions.save", {}],
];
const ANY = ["/asyncapi.json", "/events", "/notifiers"];
const PUBLIC = ["/openapi.json", "/subscriptions/{id}/jwks.json"];

/** Lets each request say what it is allowed. */
const byHeader = (request: Request) => {
  const permissions = request.headers.get("x-permissions");
  return permissions === null
    ? undefined
    : { name: "someone", permissions: permissions.split(",") };
};

describe("permissions over REST", () => {
  test.each(NEEDS)(
    "%s %s needs %s and nothing else",
    async (...[method, path, needed, body]: (typeof NEEDS)[number]) => {
      const { call } = await createClient({ authenticate: byHeader });
      const status = async (permissions: string): Promise<number> => {
        const sent = body === undefined ? {} : { body };
        return (await call(method, path, { ...sent, headers: { "x-permissions": permissions } }))
          .status;
      };
      const others = Object.keys(PERMISSIONS).filter(
        (name) => name !== needed && !needed.startsWith(`${name}.`),
      );
      expect(await status(others.join(","))).toBe(403);
      const parents = needed
        .split(".")
        .map((_, index, parts) => parts.slice(0, index + 1).join("."));
      for (const parent of parents) expect(await status(parent), parent).not.toBe(403);
      expect(
        (await call(method, path, { token: null, ...(body !== undefined && { body }) })).status,
      ).toBe(401);
    },
  );

  test("the table above has every resource", async () => {
    const { handler } = await createClient();
    const document = (await documentOf(handler)) as { paths: Record<string, object> };
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(
        (method) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, "x")}`,
      ),
    );
    const known = [
      ...NEEDS.map(([method, path]) => `${method} ${path}`),
      ...[...ANY, ...PUBLIC].map((path) => `GET ${path.replaceAll(/\{\w+\}/g, "x")}`),
    ];
    expect(documented.toSorted()).toEqual(
      known.filter((it) => !it.endsWith("openapi.json")).toSorted(),
    );
  });

  test("the catalogue needs any permission", async () => {
    const { call } = await createClient({ authenticate: byHeader });
    for (const path of ANY) {
      expect(
        (await call("GET", path, { headers: { "x-permissions": "webhooks.logs.list" } })).status,
      ).toBe(200);
      expect(
        (await call("GET", path, { headers: { "x-permissions": "orders.read" } })).status,
      ).toBe(403);
      expect((await call("GET", path, { token: null })).status).toBe(401);
    }
  });

  test("the names of Mage-OS mean the same", () => {
    const someone = (...permissions: string[]) => ({ name: "someone", permissions });
    expect(isAllowed(someone("MageOS_AsyncEvents::manage"), "webhooks.logs.replay")).toBe(true);
    expect(isAllowed(someone("MageOS_AsyncEvents::async_events_logs"), "webhooks.logs.trace")).toBe(
      true,
    );
    expect(isAllowed(someone("MageOS_AsyncEvents::logs_list"), "webhooks.logs.trace")).toBe(false);
    expect(isAllowed(someone("Magento_Sales::sales"), "Magento_Sales::sales")).toBe(true);
    expect(isAllowed(someone("webhooksx"), "webhooks.logs")).toBe(false);
    expect(isAllowed(someone("webhooks.logs.list"), "webhooks.logs")).toBe(false);
  });
});

describe("permissions of events", () => {
  const as = (...permissions: string[]) => ({
    headers: { "x-permissions": permissions.join(",") },
  });

  test.each([[["customer.created"]], [["order.placed", "customer.*"]], [["*"]], [["customer.**"]]])(
    "%j needs that of each event it matches",
    async (events) => {
      const { call } = await createClient({ authenticate: byHeader });
      const body = { ...NEW, events };
      const refused = await call("POST", "/subscriptions", { body, ...as("webhooks") });
      expect(refused.status).toBe(403);
      expect(refused.body.errors[0].pointer).toBe(`#/events/${events.length - 1}`);
      expect(refused.body.detail).toContain("customers.read");
      const accepted = await call("POST", "/subscriptions", {
        body,
        ...as("webhooks", "customers.read"),
      });
      expect(accepted.status).toBe(201);
    },
  );

  test("changing, replacing and enabling need it as well, and disabling does not", async () => {
    const { call } = await createClient({ authenticate: byHeader });
    const both = as("webhooks", "customers");
    const { body } = await call("POST", "/subscriptions", {
      body: { ...NEW, events: ["customer.*"] },
      ...both,
    });
    const path = `/subscriptions/${body.id}`;
    const one = as("webhooks");
    const patch = async (
      members: object,
      caller: object,
      type = "application/json",
    ): Promise<number> =>
      (
        await call("PATCH", path, {
          body: members,
          headers: { ...(caller as { headers: object }).headers, "content-type": type },
        })
      ).status;
    expect(await patch({ destination: "https://thief.example" }, one)).toBe(403);
    expect(
      await patch({ destination: "https://thief.example" }, one, "application/merge-patch+json"),
    ).toBe(403);
    expect(
      (await call("PUT", path, { body: { ...NEW, events: ["customer.*"] }, ...one })).status,
    ).toBe(403);
    expect(await patch({ enabled: false }, one)).toBe(200);
    expect(await patch({ enabled: true }, one)).toBe(403);
    expect(
      (await call("POST", "/subscriptions/enable", { body: { deleted: false }, ...one })).status,
    ).toBe(403);
    expect(
      (await call("POST", "/subscriptions/disable", { body: { deleted: false }, ...one })).status,
    ).toBe(200);
    const legacy = await call("PUT", `/rest/V1/async_event/${body.id}`, {
      body: { asyncEvent: { status: true } },
      ...one,
    });
    expect(legacy.status).toBe(403);
    expect(
      (await call("POST", "/subscriptions/enable", { body: { deleted: false }, ...both })).body,
    ).toEqual({
      changed: 1,
      unchanged: 0,
    });
  });

  test("a caller that lacks one permission enables what is allowed, in pages", async () => {
    const { call, services } = await createClient({ authenticate: byHeader });
    for (let count = 0; count < 501; count += 1) {
      await services.subscriptions.create({ ...NEW, enabled: count === 0, notifier: "http" });
    }
    const body = { event: "order.placed" };
    expect((await call("POST", "/subscriptions/enable", { body, ...as("webhooks") })).body).toEqual(
      {
        changed: 500,
        unchanged: 1,
      },
    );
  });
});

describe("bearer tokens", () => {
  test("are known by their text or their SHA-256", async () => {
    const token = "the-token-of-a-script";
    const tokenHash = createHash("sha256").update(token).digest("hex");
    const authenticate = bearerTokens([{ name: "script", tokenHash, permissions: ["webhooks"] }]);
    const ask = (authorization: string) =>
      authenticate(new Request("http://api.test/", { headers: { authorization } }));
    expect(await ask(`Bearer ${token}`)).toEqual({ name: "script", permissions: ["webhooks"] });
    expect(await ask(`bearer  ${token}`)).toBeDefined();
    for (const wrong of [`Bearer ${token}x`, `Basic ${token}`, token, "Bearer", "Bearer a b"]) {
      expect(await ask(wrong), wrong).toBeUndefined();
    }
  });

  test("that anyone could guess are refused", () => {
    const permissions = ["webhooks"];
    expect(() => bearerTokens([{ name: "a", token: "short", permissions }])).toThrow(
      'tokens[0] ("a"): token must be a text of at least 16 characters without spaces',
    );
    expect(() => bearerTokens([{ name: "a", tokenHash: "abc", permissions }])).toThrow(
      'tokens[0] ("a"): tokenHash must be a SHA-256 in hexadecimal',
    );
  });

  test("a 401 says how to authenticate, and whether the token was wrong", async () => {
    const { call } = await createClient();
    const without = await call("GET", "/subscriptions", { token: null });
    expect(without.headers.get("www-authenticate")).toBe('Bearer realm="webhooks"');
    const wrong = await call("GET", "/subscriptions", { token: "not-a-token-at-all" });
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get("www-authenticate")).toBe(
      'Bearer realm="webhooks", error="invalid_token"',
    );
  });
});
