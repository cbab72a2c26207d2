import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, describe, expect, test, vi } from "vitest";
import { TokenSessions } from "../src/auth/tokens.ts";
import { type Dashboard, dashboard, type DashboardOptions } from "../src/dashboard.ts";
import { OWN, signedIn, stranger, TOKEN } from "./support/client.ts";

const buses: EventBus[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const bus of buses.splice(0)) await bus.stop();
});

async function start(options: DashboardOptions = { token: TOKEN }): Promise<Dashboard> {
  const board = dashboard(options);
  const bus = createEventBus({ provider: localProvider(), plugins: [board], logger: false });
  buses.push(bus);
  await bus.start();
  return board;
}

/** Sets the clock of durations forward. */
function later(ms: number): void {
  const now = performance.now();
  vi.spyOn(performance, "now").mockReturnValue(now + ms);
}

describe("a token", () => {
  test("signs in once, and the cookie does the rest", async () => {
    const board = await start();
    const before = await stranger(board).get("/api/session");
    expect(before.body).toMatchObject({ caller: null, signIn: "token" });
    expect(before.body).not.toHaveProperty("bus");
    const client = await signedIn(board);
    const { body } = await client.get("/api/session");
    expect(body).toMatchObject({ caller: { name: "operator", readOnly: false }, bus: "busbar" });
  });

  test("makes a cookie that scripts and other sites do not get", async () => {
    const board = await start({ token: TOKEN, basePath: "/busbar" });
    const attributes = async (base: string, headers = {}): Promise<string> => {
      const call = { body: { token: TOKEN }, headers };
      const reply = await stranger(board, base).call("POST", "/api/session", call);
      return reply.headers.get("set-cookie")!.split("; ").slice(1).join("; ");
    };
    const plain = "Path=/busbar; Max-Age=43200; HttpOnly; SameSite=Strict";
    expect(await attributes("http://shop.test/busbar")).toBe(plain);
    expect(await attributes("https://shop.test/busbar")).toBe(`${plain}; Secure`);
    const behindProxy = { "x-forwarded-proto": "https, http" };
    expect(await attributes("http://shop.test", behindProxy)).toBe(`${plain}; Secure`);
  });

  test("of each person has its own name and rights", async () => {
    const board = await start({
      token: [
        { name: "ada", token: "the-token-of-ada-1" },
        { name: "support", token: "the-token-of-all-1", readOnly: true },
      ],
    });
    const support = await signedIn(board, { token: "the-token-of-all-1" });
    expect((await support.get("/api/session")).body.caller).toEqual({
      name: "support",
      readOnly: true,
    });
  });

  test("keeps the permissions of its person", async () => {
    const request = (cookie: string): Request =>
      new Request("http://shop.test/", { headers: { cookie } });
    const ada = { name: "ada", token: "the-token-of-ada-1", permissions: ["customers.read"] };
    const sessions = new TokenSessions([ada, { name: "support", token: TOKEN }], "/");
    const signed = await sessions.signIn(ada.token, false);
    if (typeof signed !== "object") throw new Error("The token does not sign in");
    const caller = { name: "ada", readOnly: false, permissions: ["customers.read"] };
    expect(signed.caller).toEqual(caller);
    expect(sessions.callerOf(request(signed.cookie))).toEqual(caller);
    const byLink = sessions.redeem(sessions.createCode(), false)!;
    expect(sessions.callerOf(request(byLink))).toEqual(caller);
  });

  test("is valid in another process that has the same", async () => {
    const { cookie } = await signedIn(await start());
    const there = stranger(await start());
    const { body } = await there.call("GET", "/api/session", { headers: { cookie } });
    expect(body.caller.name).toBe("operator");
    const other = stranger(await start({ token: "another-token-entirely" }));
    const refused = await other.call("GET", "/api/session", { headers: { cookie } });
    expect(refused.body.caller).toBeNull();
  });

  test("does not sign in for ever", async () => {
    const board = await start();
    const client = await signedIn(board);
    vi.useFakeTimers({ now: Date.now() + 43_199_000, toFake: ["Date"] });
    expect((await client.get("/api/audit")).status).toBe(200);
    vi.setSystemTime(Date.now() + 2_000);
    expect((await client.get("/api/audit")).status).toBe(401);
  });

  test("that is wrong takes a while, and after ten no token is looked at for a minute", async () => {
    const board = await start();
    const client = stranger(board);
    const startedAt = performance.now();
    const wrong = await Promise.all(
      Array.from({ length: 10 }, (_, index) => client.post("/api/session", { token: `x${index}` })),
    );
    expect(performance.now() - startedAt).toBeGreaterThan(200);
    expect(wrong.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 401));
    const closed = await client.post("/api/session", { token: TOKEN });
    expect(closed.status).toBe(429);
    expect(Number(closed.headers.get("retry-after"))).toBeGreaterThan(50);
    later(61_000);
    expect((await client.post("/api/session", { token: TOKEN })).status).toBe(200);
  });

  test("is not needed with a link from the terminal, which works once and stays on its host", async () => {
    const board = await start({ token: TOKEN, basePath: "/busbar" });
    const link = new URL(board.createSignInLink("http://shop.test/"));
    expect(link.pathname).toBe("/busbar/");
    const client = stranger(board, "");
    const first = await client.get(link.href);
    expect([first.status, first.headers.get("location")]).toEqual([303, "/busbar/"]);
    const cookie = first.headers.get("set-cookie")!;
    const { body } = await client.call("GET", "http://shop.test/busbar/api/session", {
      headers: { cookie },
    });
    expect(body.caller.name).toBe("operator");
    expect((await client.get(link.href)).headers.get("set-cookie")).toBeNull();
    const elsewhere = await stranger(await start()).get("//evil.test/?sign-in=x");
    expect(elsewhere.headers.get("location")).toBe("/evil.test/");
    const late = new URL(board.createSignInLink("http://shop.test"));
    later(601_000);
    expect((await client.get(late.href)).headers.get("set-cookie")).toBeNull();
  });

  test("signs out", async () => {
    const client = await signedIn(await start());
    const { status, headers } = await client.call("DELETE", "/api/session");
    expect(status).toBe(200);
    expect(headers.get("set-cookie")).toMatch(/^busbar-dashboard=; .*Max-Age=0/);
  });

  test.each([
    ["changed", (cookie: string) => cookie.replace(/.$/, (it) => (it === "A" ? "Q" : "A"))],
    ["prolonged", (cookie: string) => cookie.replace(/=(\d+)/, "=99999999999")],
    ["cut", (cookie: string) => cookie.slice(0, -2)],
    ["of no number", () => "busbar-dashboard=x.y"],
    ["empty", () => "busbar-dashboard="],
  ])("does not sign in by a cookie that was %s", async (_, change) => {
    const board = await start();
    const { cookie } = await signedIn(board);
    const reply = await stranger(board).call("GET", "/api/audit", {
      headers: { cookie: change(cookie) },
    });
    expect(reply.status).toBe(401);
  });
});

describe("the application", () => {
  test("says who sends a request", async () => {
    const board = await start({
      authenticate: async (request) => {
        const name = request.headers.get("x-user");
        return name === null ? undefined : { name, readOnly: name !== "ada" };
      },
    });
    const client = stranger(board);
    const session = async (name: string): Promise<unknown> =>
      (await client.call("GET", "/api/session", { headers: { "x-user": name } })).body;
    expect(await session("ada")).toMatchObject({
      caller: { name: "ada", readOnly: false },
      signIn: "application",
    });
    expect(await session("bob")).toMatchObject({ caller: { name: "bob", readOnly: true } });
    expect((await client.get("/api/audit")).status).toBe(401);
    const signIn = await client.call("POST", "/api/session", { body: {}, headers: OWN });
    expect(signIn.status).toBe(405);
  });

  test("that fails to say so is a failure of the server, without its words", async () => {
    const board = await start({
      authenticate: () => {
        throw new Error("the password is 1234");
      },
    });
    const { status, text } = await stranger(board).get("/api/audit");
    expect(status).toBe(500);
    expect(text).not.toContain("1234");
  });
});

describe("dashboard()", () => {
  test.each([
    [{}, "dashboard() needs either the option token or the option authenticate"],
    [{ token: "short" }, "dashboard(): option token must have tokens of at least 16 characters"],
    [{ token: [] }, "dashboard(): option token must be a token, or a list of"],
    [{ token: TOKEN, basePath: "busbar" }, "dashboard(): option basePath must be a path such as"],
    [{ token: TOKEN, authenticate: () => undefined }, "dashboard() needs either"],
    // A caller that should only look must never be able to act because of a misspelt name.
    [
      { token: [{ name: "support", token: TOKEN, readonly: true }] },
      'dashboard() has no option "token.0.readonly", did you mean "readOnly"?',
    ],
    [
      { token: [{ name: "support", token: TOKEN, readOnly: "yes" }] },
      "dashboard(): option token.0.readOnly must be true or false",
    ],
    [
      { token: [{ name: "support", token: TOKEN, permissions: "customers.read" }] },
      "dashboard(): option token.0.permissions must be an array of strings",
    ],
    [
      { token: TOKEN, readonly: true },
      'dashboard() has no option "readonly", did you mean "readOnly"?',
    ],
  ])("refuses %o", (options, message) => {
    expect(() => dashboard(options as DashboardOptions)).toThrow(message);
  });
});
