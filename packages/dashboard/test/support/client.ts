import type { Dashboard } from "../../src/dashboard.ts";

/** The token of the tests. */
export const TOKEN = "a-token-of-the-tests";
/** What the page sends with each request that changes something. */
export const OWN: Readonly<Record<string, string>> = {
  "busbar-request": "1",
  "sec-fetch-site": "same-origin",
};

/** An answer. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of any shape.
  readonly body: any;
}

/** A request, and what of it differs from that of the page. */
export interface Call {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly text?: string;
}

/** Sends requests as the page does. */
export interface Client {
  call(method: string, path: string, call?: Call): Promise<Reply>;
  get(path: string): Promise<Reply>;
  post(path: string, body?: unknown): Promise<Reply>;
  /** The cookie, as the browser sends it. */
  readonly cookie: string;
}

/** A client that is not signed in. */
export function stranger({ fetch }: Dashboard, base = "http://shop.test"): Client {
  return clientWith(fetch, base, "");
}

/** A client that is signed in. */
export async function signedIn(
  { fetch }: Dashboard,
  { token = TOKEN, base = "http://shop.test" }: { token?: string; base?: string } = {},
): Promise<Client> {
  const { status, headers } = await clientWith(fetch, base, "").post("/api/session", { token });
  if (status !== 200) throw new Error(`Signing in is answered with ${status}`);
  return clientWith(fetch, base, headers.get("set-cookie")!.split(";", 1)[0]!);
}

function clientWith(fetch: Dashboard["fetch"], base: string, cookie: string): Client {
  const call: Client["call"] = async (method, path, { body, text, headers } = {}) => {
    const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(
      new Request(base + path, {
        method,
        headers: {
          ...(cookie !== "" && { cookie }),
          ...(method !== "GET" && method !== "HEAD" && OWN),
          ...(content !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(content !== undefined && { body: content }),
      }),
    );
    return replyOf(response);
  };
  return {
    cookie,
    call,
    get: (path) => call("GET", path),
    post: (path, body) => call("POST", path, { body }),
  };
}

async function replyOf(response: Response): Promise<Reply> {
  const text = await response.text();
  const isJson = (response.headers.get("content-type") ?? "").endsWith("json") && text !== "";
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? (JSON.parse(text) as unknown) : undefined,
  };
}
