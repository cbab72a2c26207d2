import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { allRoutes, type RouteEnvironment } from "../src/api/routes.ts";
import { AuditLog } from "../src/audit.ts";
import { TokenSessions } from "../src/auth/tokens.ts";
import { keepPage, Page } from "../src/http/page.ts";
import { startBoard } from "./support/board.ts";
import { OWN, signedIn, stranger, TOKEN } from "./support/client.ts";

/** The routes as they are, for a test that goes through all of them. */
const routes = allRoutes({
  session: {
    sessions: new TokenSessions(TOKEN, "/"),
    readOnly: false,
    features: () => ({ outbox: false, webhooks: false, runs: false }),
    busName: async () => undefined,
  },
} as RouteEnvironment).map(({ method, path, audit, ...others }) => ({
  method,
  path: `/api${path.replaceAll(/:\w+/g, "x")}`,
  isPublic: others.public === true,
  isAudited: audit !== undefined,
}));
const unsafe = [
  ...routes.filter(({ method, isPublic }) => method !== "GET" && !isPublic),
  ...["POST", "PUT", "PATCH", "DELETE"].map((method) => ({
    method,
    path: "/api/webhooks/subscriptions",
    isAudited: true,
  })),
];

describe("requests that change something", () => {
  test("are each in the audit log", () => {
    expect(unsafe.length).toBeGreaterThan(10);
    expect(unsafe.filter(({ isAudited }) => !isAudited)).toEqual([]);
    expect(routes.filter(({ method, isAudited }) => method === "GET" && isAudited)).toEqual([]);
  });

  test("are refused to those who may look only", async () => {
    const all = await startBoard({ options: { readOnly: true } });
    const one = await startBoard({
      options: { token: [{ name: "support", token: TOKEN, readOnly: true }] },
    });
    for (const { client } of [all, one]) {
      for (const { method, path } of unsafe) {
        const { status, body } = await client.call(method, path, { body: {} });
        const expected = [403, "urn:busbar:problem:read-only"];
        expect([status, body.type], `${method} ${path}`).toEqual(expected);
      }
    }
  });

  test("are refused if they may come from another site", async () => {
    const { client } = await startBoard();
    for (const { method, path } of [...unsafe, { method: "POST", path: "/api/session" }]) {
      for (const headers of [
        { "busbar-request": "", "sec-fetch-site": "same-origin" },
        { ...OWN, "sec-fetch-site": "cross-site" },
        { ...OWN, "sec-fetch-site": "same-site" },
        { ...OWN, "sec-fetch-site": "none" },
      ]) {
        const { status, body } = await client.call(method, path, { body: {}, headers });
        const expected = [403, "urn:busbar:problem:foreign-request"];
        expect([status, body.type], `${method} ${path}`).toEqual(expected);
      }
    }
  });

  test("may come from a program, which sends no sec-fetch-site", async () => {
    const { board } = await startBoard();
    const request = new Request("http://shop.test/api/session", {
      method: "POST",
      headers: { "content-type": "application/json", "busbar-request": "1" },
      body: JSON.stringify({ token: TOKEN }),
    });
    expect((await board.fetch(request)).status).toBe(200);
  });
});

describe("every route", () => {
  test("but that of the session is for those who are signed in", async () => {
    const { board } = await startBoard();
    const client = stranger(board);
    const open: string[] = [];
    for (const { method, path, isPublic } of routes) {
      const { status } = await client.call(method, path, method === "GET" ? {} : { body: {} });
      if (status !== 401 && !isPublic) open.push(`${method} ${path}: ${status}`);
    }
    expect(open).toEqual([]);
    expect((await client.get("/api/webhooks/subscriptions")).status).toBe(401);
  });

  test("refuses other methods", async () => {
    const { client } = await startBoard();
    const { status, headers } = await client.call("PUT", "/api/session", { body: {} });
    expect([status, headers.get("allow")]).toEqual([405, "GET, HEAD, POST, DELETE"]);
    expect((await client.call("POST", "/subscriptions", { body: {} })).status).toBe(405);
    const options = await client.call("OPTIONS", "/api/overview");
    expect([...options.headers.keys()].filter((name) => name.includes("allow-"))).toEqual([]);
  });

  test("answers malformed requests, and never as if the server had failed", async () => {
    const { client } = await startBoard();
    const strange = [
      "%00",
      "%ff",
      "%E0%A4%A",
      "..%2f..%2fetc",
      "__proto__",
      "'\"><script>",
      "%2e%2e",
    ];
    const bodies = [
      undefined,
      "",
      "{",
      "null",
      "[]",
      '"x"',
      "1e999",
      '{"__proto__":{}}',
      '{"ids":[null]}',
      '{"where":{"text":""}}',
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      "\u0000",
    ];
    const failed: string[] = [];
    for (const { method, path } of routes.filter((it) => !/live|tail/.test(it.path))) {
      const addresses = [
        path,
        ...strange.map((it) => `${path}?cursor=${it}&${it}=1`),
        ...strange.map((it) => path.replaceAll("/x", `/${it}`)),
      ];
      for (const address of addresses) {
        // Tokens that are wrong would close the door.
        const hasBody = method !== "GET" && !path.endsWith("/session");
        const texts = hasBody && address === path ? bodies : [undefined];
        for (const text of texts) {
          const { status } = await client.call(method, address, text === undefined ? {} : { text });
          if (status >= 500) failed.push(`${method} ${address} ${text?.slice(0, 30)}: ${status}`);
        }
      }
    }
    expect(failed).toEqual([]);
  });

  test("refuses bodies that are no JSON, or too large", async () => {
    const { client } = await startBoard();
    const path = "/api/dead/replay";
    const form = await client.call("POST", path, {
      text: "ids=1",
      headers: { "content-type": "text/plain" },
    });
    expect(form.status).toBe(415);
    expect((await client.call("POST", path, { text: "{" })).status).toBe(400);
    const large = await client.call("POST", path, { text: `"${"x".repeat(1_048_576)}"` });
    expect(large.status).toBe(413);
    const unannounced = new Request("http://shop.test/api/dead/replay", {
      method: "POST",
      headers: { ...OWN, "content-type": "application/json", cookie: client.cookie },
      body: new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
      }),
      duplex: "half",
    } as RequestInit);
    const { board } = await startBoard();
    expect((await board.fetch(unannounced)).status).toBe(413);
  });
});

describe("every answer", () => {
  test.each([
    "/",
    "/subscriptions/a",
    "/api/session",
    "/api/nothing",
    "/assets/x.js",
    "/api/audit",
  ])("to %s has the headers that keep a browser safe", async (path) => {
    const { client } = await startBoard();
    for (const method of ["GET", "HEAD"]) {
      const { headers, text } = await client.call(method, path);
      const policy = headers.get("content-security-policy")!;
      expect(policy.split("; ").toSorted()).toEqual([
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self' data:",
        "script-src 'self'",
        "style-src 'self'",
      ]);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("access-control-allow-origin")).toBeNull();
      if (path.startsWith("/api")) expect(headers.get("cache-control")).toBe("no-store");
      if (method === "HEAD") expect(text).toBe("");
    }
  });

  test("with names of others is JSON, and nothing that a browser would run", async () => {
    const evil = "</script><script>alert(1)</script>";
    const { client, bus } = await startBoard({
      subscribe: (it) =>
        it.subscribe("**", () => Promise.reject(new Error(evil)), { subscriberId: evil }),
    });
    await bus.emit("a", { evil });
    await bus.settled();
    const { headers, body } = await client.get("/api/dead");
    expect(headers.get("content-type")).toBe("application/json");
    expect(body.items[0]).toMatchObject({ subscriberId: evil, error: { message: evil } });
    const missing = await client.get(`/api/dead/${encodeURIComponent(evil)}/no-such-one`);
    expect(missing.headers.get("content-type")).toBe("application/problem+json");
  });
});

describe("the audit log", () => {
  test("has the last thousand actions, the newest first, and passes each on", async () => {
    const seen: string[] = [];
    const lines: object[] = [];
    const log = new AuditLog(({ target }) => {
      seen.push(target);
      if (target === "0") throw new Error("the audit database is away");
    });
    const note = (fields: object): void => void lines.push(fields);
    log.logger = { debug: note, info: note, warn: note, error: note };
    for (let n = 0; n < 1_001; n += 1) {
      log.add({
        caller: "ada",
        action: "group.clear",
        target: `${n}`,
        result: "done",
        details: {},
      });
    }
    expect(log.list()).toHaveLength(1_000);
    expect(log.list()[0]).toMatchObject({ target: "1000", caller: "ada" });
    expect(seen).toHaveLength(1_001);
    expect(lines[0]).toMatchObject({ caller: "ada", action: "group.clear", target: "0" });
  });
});

test("an action is done even if the promise of onAction rejects, and the log says why", async () => {
  const lines: unknown[][] = [];
  const note = (...line: unknown[]): void => void lines.push(line);
  const logger = { debug: note, info: note, warn: note, error: note };
  const onAction = async (): Promise<void> => {
    throw new Error("the audit database is away");
  };
  const { client } = await startBoard({ logger, options: { token: TOKEN, onAction } });
  expect((await client.post("/api/groups/order-1/clear", {})).status).toBe(200);
  await vi.waitFor(() => {
    expect(lines).toContainEqual([
      { error: expect.objectContaining({ message: "the audit database is away" }) },
      "The option onAction of the dashboard failed",
    ]);
  });
});

describe("the page", () => {
  async function page(basePath = "/busbar"): Promise<Page> {
    const folder = await mkdtemp(join(tmpdir(), "page-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, "page/assets"), { recursive: true });
    await writeFile(join(folder, "secret.txt"), "secret");
    await writeFile(
      join(folder, "page/index.html"),
      '<link rel="icon" href="./icon.svg"><script type="module" src="./assets/main-1a.js"></script>',
    );
    await writeFile(join(folder, "page/icon.svg"), "<svg/>");
    await writeFile(join(folder, "page/assets/main-1a.js"), "let it;".repeat(100));
    return Page.read(basePath, join(folder, "page"));
  }
  test("is read again after it could not be read, or was not built yet", async () => {
    const folder = await mkdtemp(join(tmpdir(), "page-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const answers = [
      () => Promise.reject(new Error("EMFILE: too many open files")),
      () => Page.read("", join(folder, "no-such-folder")),
      () => page(),
    ];
    const read = vi.fn(() => answers.shift()!());
    const kept = keepPage(read);
    await expect(kept()).rejects.toThrow("EMFILE");
    expect((await kept()).answer(get("/"), "/").status).toBe(503);
    const [first, second] = await Promise.all([kept(), kept()]);
    expect(first.answer(get("/"), "/").status).toBe(200);
    expect([second, await kept()]).toEqual([first, first]);
    expect(read).toHaveBeenCalledTimes(3);
    // A folder that cannot be read is a failure, and not a page that is not built.
    await expect(Page.read("", join(folder, "x\0"))).rejects.toThrow();
  });

  const get = (path: string, headers = {}, method = "GET"): Request =>
    new Request(`http://shop.test${path}`, { headers, method });

  test("is the same document at every path, with scripts below the base path", async () => {
    const it = await page();
    for (const path of ["/", "/subscriptions", "/dead-letters/order.placed/1", "/index.html"]) {
      const response = it.answer(get(path), path);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(response.headers.get("cache-control")).toBe("no-cache");
      const text = await response.text();
      expect(text).toContain('src="/busbar/assets/main-1a.js"');
      expect(text).toContain('href="/busbar/icon.svg"');
    }
  });

  test("has scripts that are kept for a year, and are compressed", async () => {
    const it = await page();
    const path = "/assets/main-1a.js";
    const plain = it.answer(get(path), path);
    expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(plain.headers.get("content-encoding")).toBeNull();
    const zipped = it.answer(get(path, { "accept-encoding": "br, gzip" }), path);
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
    expect(Number(zipped.headers.get("content-length"))).toBeLessThan(100);
    const refused = it.answer(get(path, { "accept-encoding": "gzip;q=0" }), path);
    expect(refused.headers.get("content-encoding")).toBeNull();
    const head = it.answer(get(path, {}, "HEAD"), path);
    expect(head.headers.get("content-length")).toBe("700");
    const etag = plain.headers.get("etag")!;
    expect(it.answer(get(path, { "if-none-match": `"x", W/${etag}` }), path).status).toBe(304);
  });

  test.each([
    "/assets/../../secret.txt",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/x.js",
    "/favicon.ico",
  ])("does not have %s", async (path) => {
    const response = (await page()).answer(get("/"), path);
    expect(response.status).toBe(404);
    expect(await response.text()).not.toContain("secret");
  });

  test("that is not built says so", async () => {
    const it = await Page.read("", join(tmpdir(), "there-is-no-such-folder"));
    const response = it.answer(get("/"), "/");
    expect([response.status, await response.text()]).toEqual([
      503,
      expect.stringContaining("build"),
    ]);
  });
});

test("a dashboard whose bus has stopped answers 503, and still says how to sign in", async () => {
  const { board, bus } = await startBoard();
  const client = await signedIn(board);
  await bus.stop();
  const { status, headers } = await client.get("/api/overview");
  expect([status, headers.get("retry-after")]).toEqual([503, "5"]);
  expect((await client.get("/api/session")).status).toBe(200);
});
