import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { parseJson } from "../../src/rest/json-text.ts";
import { type Call, type Client, createClient } from "./support/client.ts";

/** A request that is wrong: what it is, its status, and the place that the answer must name. */
interface Malformed {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly call?: Call;
  readonly status: number;
  /** A pointer, a parameter, a header, or a position; undefined where there is no place to name. */
  readonly place?: string | number | undefined;
}

const NEW = { events: ["order.placed"], destination: "https://example.com/hooks" };

function bodies(
  method: string,
  path: string,
  them: readonly (readonly [what: string, body: unknown, pointer: string])[],
): Malformed[] {
  return them.map(([what, body, place]) => ({
    what,
    method,
    path,
    call: { body },
    status: 422,
    place,
  }));
}

function texts(them: readonly (readonly [text: string, position: number])[]): Malformed[] {
  return them.map(([text, place]) => ({
    what: `text ${JSON.stringify(text.slice(0, 40))}`,
    method: "POST",
    path: "/subscriptions",
    call: { text },
    status: 400,
    place,
  }));
}

function queries(
  path: string,
  them: readonly (readonly [query: string, parameter: string])[],
): Malformed[] {
  return them.map(([query, place]) => ({
    what: `query ${query.slice(0, 60)}`,
    method: "GET",
    path: `${path}?${query}`,
    status: 400,
    place,
  }));
}

const bytes = (...numbers: number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(numbers);
const deep = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`;

const MALFORMED: readonly Malformed[] = [
  ...bodies("POST", "/subscriptions", [
    ["an array", [], "#"],
    ["a text", "x", "#"],
    ["null", null, "#"],
    ["no events", { destination: NEW.destination }, "#/events"],
    ["no destination", { events: NEW.events }, "#/destination"],
    ["events is a text", { ...NEW, events: "order.placed" }, "#/events"],
    ["events is empty", { ...NEW, events: [] }, "#/events"],
    ["an event is a number", { ...NEW, events: ["a", 7] }, "#/events/1"],
    ["an event is empty", { ...NEW, events: [""] }, "#/events/0"],
    ["an event has a space", { ...NEW, events: ["order placed"] }, "#/events/0"],
    ["a pattern is half a segment", { ...NEW, events: ["order.pl*"] }, "#/events/0"],
    ["a pattern has ** in the middle", { ...NEW, events: ["order.**.x"] }, "#/events/0"],
    [
      "too many events",
      { ...NEW, events: Array.from({ length: 101 }, (_, n) => `e${n}`) },
      "#/events",
    ],
    ["a long event", { ...NEW, events: ["e".repeat(256)] }, "#/events/0"],
    ["destination is a number", { ...NEW, destination: 7 }, "#/destination"],
    ["destination is empty", { ...NEW, destination: "" }, "#/destination"],
    [
      "destination is long",
      { ...NEW, destination: `https://${"x".repeat(2_100)}` },
      "#/destination",
    ],
    ["destination is no https URL", { ...NEW, destination: "http://example.com" }, "#/destination"],
    ["notifier is a number", { ...NEW, notifier: 7 }, "#/notifier"],
    ["notifier is unknown", { ...NEW, notifier: "smoke" }, "#/notifier"],
    ["label is an object", { ...NEW, label: {} }, "#/label"],
    ["label is long", { ...NEW, label: "x".repeat(201) }, "#/label"],
    ["settings is an array", { ...NEW, settings: [] }, "#/settings"],
    ["settings is null", { ...NEW, settings: null }, "#/settings"],
    ["settings are wrong inside", { ...NEW, settings: { headers: 7 } }, "#/settings/headers/x-a"],
    ["scope is a number", { ...NEW, scope: 3 }, "#/scope"],
    ["filter is a text", { ...NEW, filter: "total > 5" }, "#/filter"],
    ["payload is unknown", { ...NEW, payload: "twice" }, "#/payload"],
    ["retry is a text", { ...NEW, retry: "standard" }, "#/retry"],
    ["retry has no type", { ...NEW, retry: {} }, "#/retry/type"],
    ["retry has an unknown type", { ...NEW, retry: { type: "forever" } }, "#/retry/type"],
    ["retries are missing", { ...NEW, retry: { type: "linear", stepMs: 1 } }, "#/retry/retries"],
    [
      "a delay is negative",
      { ...NEW, retry: { type: "schedule", delaysMs: [1, -1] } },
      "#/retry/delaysMs/1",
    ],
    ["jitter is too large", { ...NEW, retry: { type: "standard", jitter: 2 } }, "#/retry/jitter"],
    ["retry has an unknown member", { ...NEW, retry: { type: "none", tries: 1 } }, "#/retry/tries"],
    ["rate is a number", { ...NEW, rate: 5 }, "#/rate"],
    ["rate lacks a member", { ...NEW, rate: { max: 1 } }, "#/rate/perMs"],
    ["rate is zero", { ...NEW, rate: { max: 0, perMs: 1 } }, "#/rate/max"],
    ["concurrency is zero", { ...NEW, concurrency: 0 }, "#/concurrency"],
    ["concurrency is a fraction", { ...NEW, concurrency: 1.5 }, "#/concurrency"],
    ["concurrency is a text", { ...NEW, concurrency: "10" }, "#/concurrency"],
    ["concurrency is huge", { ...NEW, concurrency: 1e300 }, "#/concurrency"],
    ["orderingKey is no path", { ...NEW, orderingKey: "a..b" }, "#/orderingKey"],
    ["onOrderedFailure is unknown", { ...NEW, onOrderedFailure: "wait" }, "#/onOrderedFailure"],
    ["redact is a text", { ...NEW, redact: "customer.email" }, "#/redact"],
    ["a redacted path is empty", { ...NEW, redact: ["a", ""] }, "#/redact/1"],
    ["enabled is a text", { ...NEW, enabled: "true" }, "#/enabled"],
    ["secret is a number", { ...NEW, secret: 7 }, "#/secret"],
    ["secret is short", { ...NEW, secret: "sha-signing-secret" }, "#/secret"],
    ["secret is a public key", { ...NEW, secret: "whpk_AAAA" }, "#/secret"],
    ["an unknown member", { ...NEW, event: "order.placed" }, "#/event"],
    ["a member of the answer", { ...NEW, id: "x" }, "#/id"],
    ["a NUL in a text", { ...NEW, label: "a\0b" }, "#/label"],
    ["a NUL in a name", { ...NEW, settings: { "a\0": 1 } }, "#/settings"],
    ["a line break in a label", { ...NEW, label: "a\nb" }, "#/label"],
    ["half of a character", { ...NEW, label: "\uD800" }, "#/label"],
  ]),
  ...bodies("PATCH", "/subscriptions/x", [
    ["a version", { version: 7 }, "#/version"],
    ["a secret", { secret: "whsec_x" }, "#/secret"],
    ["events is null", { events: null }, "#/events"],
  ]),
  ...bodies("PUT", "/subscriptions/x", [
    ["a secret", { ...NEW, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }, "#/secret"],
    ["no events", { destination: NEW.destination }, "#/events"],
  ]),
  ...bodies("POST", "/subscriptions/enable", [
    ["no condition", {}, "#"],
    ["ids is a text", { ids: "x" }, "#/ids"],
    ["an unknown condition", { name: "x" }, "#/name"],
  ]),
  ...bodies("POST", "/subscriptions/x/secret", [
    ["grace is negative", { graceMs: -1 }, "#/graceMs"],
    ["grace is 8 days", { graceMs: 691_200_000 }, "#/graceMs"],
    ["secret is empty", { secret: "" }, "#/secret"],
  ]),
  ...bodies("POST", "/subscriptions/x/test", [
    ["event is a number", { event: 7 }, "#/event"],
    ["an unknown member", { destination: "https://thief.example" }, "#/destination"],
  ]),
  ...bodies("POST", "/filters/test", [
    ["no filter", { event: { data: {} } }, "#/filter"],
    ["no event", { filter: {} }, "#/event"],
    ["an unknown member of the event", { filter: {}, event: { type: "x" } }, "#/event/type"],
  ]),
  ...bodies("POST", "/replays", [
    ["since is no time", { since: "yesterday" }, "#/since"],
    ["since is a number", { since: 1_764_489_600 }, "#/since"],
    ["since does not exist", { since: "2026-02-30" }, "#/since"],
    ["to is unknown", { to: "new" }, "#/to"],
    ["perSecond is zero", { perSecond: 0 }, "#/perSecond"],
    ["perSecond is infinite", { perSecond: "Infinity" }, "#/perSecond"],
    ["dryRun is a number", { dryRun: 1 }, "#/dryRun"],
    ["a payload", { payload: {} }, "#/payload"],
    ["a query that is not closed", { query: "(" }, "#/query"],
  ]),
  ...bodies("POST", "/recover", [
    ["no since", {}, "#/since"],
    ["subscriptionId is empty", { since: "2026-11-30", subscriptionId: "" }, "#/subscriptionId"],
  ]),
  ...bodies("POST", "/rest/V1/async_event", [
    ["no asyncEvent", {}, "#/asyncEvent"],
    ["a camel-case name", { asyncEvent: { eventName: "a" } }, "#/asyncEvent/eventName"],
    [
      "no token",
      { asyncEvent: { event_name: "a", recipient_url: "https://x.example" } },
      "#/asyncEvent/verification_token",
    ],
    [
      "a negative store",
      {
        asyncEvent: {
          event_name: "a",
          recipient_url: "https://x.example",
          verification_token: "t",
          store_id: -1,
        },
      },
      "#/asyncEvent/store_id",
    ],
  ]),
  ...bodies("PUT", "/rest/V1/async_event/x", [
    ["status is a text", { asyncEvent: { status: "on" } }, "#/asyncEvent/status"],
  ]),
  ...texts([
    ["{", 1],
    ["}", 0],
    ["{,}", 1],
    ['{"events"', 9],
    ['{"events" 1}', 10],
    ['{"events":}', 10],
    ['{"events":[1,]}', 13],
    ['{"events":[1 2]}', 13],
    ['{"a":1,}', 7],
    ["{'a':1}", 1],
    ["{a:1}", 1],
    ['{"a":tru}', 5],
    ['{"a":01}', 5],
    ['{"a":+1}', 5],
    ['{"a":1.}', 5],
    ['{"a":NaN}', 5],
    ['{"a":"b', 7],
    ['{"a":"\\x"}', 6],
    ['{"a":"\n"}', 6],
    ['{"a":1}}', 7],
    ['{"a":1} {}', 8],
    ["[1}", 2],
    ["\u{FEFF}\u{FEFF}{}", 0],
    ["// none\n{}", 0],
    ["undefined", 0],
    [" ", 1],
    [deep(65), 64],
    [`{"settings":${deep(100_000)}`, 75],
  ]),
  { what: "no body", method: "POST", path: "/subscriptions", status: 400, place: 0 },
  {
    what: "UTF-16",
    method: "POST",
    path: "/subscriptions",
    call: { text: bytes(0xff, 0xfe, 0x7b, 0) },
    status: 400,
    place: "#",
  },
  {
    what: "broken UTF-8",
    method: "POST",
    path: "/subscriptions",
    call: { text: bytes(0x22, 0xc3, 0x28, 0x22) },
    status: 400,
    place: "#",
  },
  {
    what: "a huge body",
    method: "POST",
    path: "/subscriptions",
    call: { text: `"${"x".repeat(262_144)}"` },
    status: 413,
    place: "#",
  },
  ...[
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/json-patch+json",
    "json",
  ].map((type): Malformed => ({
    what: type,
    method: "POST",
    path: "/subscriptions",
    call: { body: NEW, headers: { "content-type": type } },
    status: 415,
    place: "content-type",
  })),
  {
    what: "another charset",
    method: "POST",
    path: "/subscriptions",
    call: { body: NEW, headers: { "content-type": "application/json; charset=latin1" } },
    status: 415,
    place: "content-type",
  },
  {
    what: "a merge patch where none is taken",
    method: "PUT",
    path: "/subscriptions/x",
    call: { body: NEW, headers: { "content-type": "application/merge-patch+json" } },
    status: 415,
    place: "content-type",
  },
  {
    what: "a merge patch that is an array",
    method: "PATCH",
    path: "/subscriptions/x",
    call: { body: [], headers: { "content-type": "application/merge-patch+json" } },
    status: 422,
    place: "#",
  },
  ...["gzip", "br", "identity, gzip"].map((encoding): Malformed => ({
    what: encoding,
    method: "POST",
    path: "/subscriptions",
    call: { body: NEW, headers: { "content-encoding": encoding } },
    status: 415,
    place: "content-encoding",
  })),
  ...["3", '"1", "2"', "W/3", '"', '"a b"'].map((tag): Malformed => ({
    what: `If-Match ${tag}`,
    method: "DELETE",
    path: "/subscriptions/x",
    call: { headers: { "if-match": tag } },
    status: 400,
    place: "If-Match",
  })),
  ...['"abc"', '"-1"', '""', '"1e3"'].map((tag): Malformed => ({
    what: `If-Match ${tag}`,
    method: "DELETE",
    path: "/subscriptions/x",
    call: { headers: { "if-match": tag } },
    status: 412,
    place: "If-Match",
  })),
  ...["", "a b", "ü", "k".repeat(256)].map((key): Malformed => ({
    what: `Idempotency-Key ${key.slice(0, 10)}`,
    method: "POST",
    path: "/subscriptions",
    call: { body: NEW, headers: { "idempotency-key": key } },
    status: 400,
    place: "Idempotency-Key",
  })),
  ...queries("/subscriptions", [
    ["limit=0", "limit"],
    ["limit=501", "limit"],
    ["limit=-1", "limit"],
    ["limit=1.5", "limit"],
    ["limit=1e2", "limit"],
    ["limit=ten", "limit"],
    ["limit=", "limit"],
    ["limit=10&limit=20", "limit"],
    ["limit=99999999999999999999", "limit"],
    ["limit[]=1", "limit[]"],
    ["Limit=1", "Limit"],
    ["cursor=", "cursor"],
    ["cursor=x", "cursor"],
    ["cursor=after-", "cursor"],
    [`cursor=${"x".repeat(2_001)}`, "cursor"],
    ["enabled=yes", "enabled"],
    ["enabled=1", "enabled"],
    ["deleted=TRUE", "deleted"],
    [`event=${"e".repeat(256)}`, "event"],
    ["page=2", "page"],
    ["__proto__=1", "__proto__"],
    ["constructor=1", "constructor"],
  ]),
  ...queries("/deliveries", [
    ["since=yesterday", "since"],
    ["since=2026-13-01", "since"],
    ["until=2026-11-30T25:00:00Z", "until"],
    ["until=1764489600", "until"],
    ["query=a:(", "query"],
    [`query=${"a".repeat(4_097)}`, "query"],
    ["q=a", "q"],
  ]),
  ...queries("/attempts/export", [
    ["format=xml", "format"],
    ["format=", "format"],
    ["cursor=x", "cursor"],
    ["query=a:(", "query"],
  ]),
  ...queries("/events", [["limit=1", "limit"]]),
  ...queries("/rest/V1/async_events", [
    ["searchCriteria[pageSize]=0", "searchCriteria[pageSize]"],
    ["searchCriteria[pageSize]=x", "searchCriteria[pageSize]"],
    ["searchCriteria[currentPage]=-1", "searchCriteria[currentPage]"],
    ["searchCriteria[page]=1", "searchCriteria[page]"],
    [
      "searchCriteria[filterGroups][0][filters][0][field]=token",
      "searchCriteria[filterGroups][0][filters][0][field]",
    ],
    [
      "searchCriteria[filterGroups][0][filters][0][conditionType]=regexp",
      "searchCriteria[filterGroups][0][filters][0][conditionType]",
    ],
    [
      "searchCriteria[filterGroups][0][filters][0][conditionType]=toString",
      "searchCriteria[filterGroups][0][filters][0][conditionType]",
    ],
    [
      "searchCriteria[filterGroups][x][filters][0][field]=status",
      "searchCriteria[filterGroups][x][filters][0][field]",
    ],
    [
      "searchCriteria[filterGroups][999999999][filters][0][field]=status",
      "searchCriteria[filterGroups][999999999][filters][0][field]",
    ],
    ["searchCriteria[filterGroups][0][filters][0][value]=1", "searchCriteria"],
    [
      "searchCriteria[filterGroups][__proto__][filters][0][field]=status",
      "searchCriteria[filterGroups][__proto__][filters][0][field]",
    ],
    ["searchCriteria[sortOrders][0][direction]=UP", "searchCriteria[sortOrders][0][direction]"],
    ["searchCriteria[sortOrders][0][direction]=ASC", "searchCriteria"],
    ["limit=5", "limit"],
  ]),
  ...[
    "/nothing",
    "/subscriptions/x/nothing",
    "/subscriptions/x/y/z",
    "//subscriptions",
    "/Subscriptions",
    "/%2e%2e/etc",
  ].map((path): Malformed => ({ what: path, method: "GET", path, status: 404 })),
  ...[
    "/subscriptions/%00",
    "/subscriptions/%zz",
    "/subscriptions/%ff",
    "/subscriptions?text=%00",
    "/subscriptions?text=%c3%28",
  ].map((path): Malformed => ({ what: path, method: "GET", path, status: 400 })),
  {
    what: "a long id",
    method: "GET",
    path: `/subscriptions/${"x".repeat(201)}`,
    status: 400,
    place: "id",
  },
  ...[
    ["DELETE", "/subscriptions"],
    ["PUT", "/subscriptions"],
    ["POST", "/subscriptions/x"],
    ["GET", "/recover"],
    ["OPTIONS", "/subscriptions"],
    ["PATCH", "/deliveries/x"],
    ["DELETE", "/rest/V1/async_event/x"],
  ].map(([method, path]): Malformed => ({
    what: `${method} ${path}`,
    method: method!,
    path: path!,
    status: 405,
  })),
];

describe("malformed requests", () => {
  let client: Client;
  beforeAll(async () => {
    client = await createClient();
  });

  test("there are at least a hundred of them", () => {
    expect(MALFORMED.length).toBeGreaterThan(200);
  });

  test.each(MALFORMED)("$method $what: $status", async ({ method, path, call, status, place }) => {
    const reply = await client.call(method, path, call);
    expect({ status: reply.status, body: reply.text }).toMatchObject({ status });
    expect(reply.headers.get("content-type")).toBe("application/problem+json");
    if (place !== undefined) {
      const places = (reply.body.errors as Record<string, unknown>[]).flatMap((it) =>
        typeof place === "number"
          ? [it["position"]]
          : [it["pointer"], it["parameter"], it["header"]],
      );
      expect(places).toContain(place);
    }
    expect(client.services.failures).toEqual([]);
  });

  test("a body without an end is cut at the limit", async () => {
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += 1;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    const request = new Request("http://api.test/subscriptions", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: "Bearer a-token-for-everything",
      },
      body,
      duplex: "half",
    } as RequestInit);
    expect((await client.handler(request)).status).toBe(413);
    expect(sent).toBeLessThan(10);
  });

  test("a body that breaks off is the client's fault", async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
    const request = new Request("http://api.test/subscriptions", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: "Bearer a-token-for-everything",
      },
      body,
      duplex: "half",
    } as RequestInit);
    expect((await client.handler(request)).status).toBe(400);
  });

  const resources = [
    ["POST", "/subscriptions"],
    ["PATCH", "/subscriptions/x"],
    ["PUT", "/subscriptions/x"],
    ["POST", "/subscriptions/disable"],
    ["POST", "/subscriptions/x/secret"],
    ["POST", "/subscriptions/x/test"],
    ["POST", "/filters/test"],
    ["POST", "/replays"],
    ["POST", "/recover"],
    ["POST", "/rest/V1/async_event"],
    ["PUT", "/rest/V1/async_event/x"],
  ] as const;

  test("no JSON value is a failure of the server", async () => {
    const members = fc.constantFrom(
      "events",
      "destination",
      "settings",
      "retry",
      "rate",
      "filter",
      "query",
      "since",
      "event",
      "asyncEvent",
      "__proto__",
      "constructor",
    );
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.dictionary(members, fc.jsonValue({ maxDepth: 3 })),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...resources), value, async ([method, path], body) => {
        const { status } = await client.call(method, path, { body });
        expect(status).toBeLessThan(500);
      }),
      { numRuns: 300 },
    );
  });

  test("no text, header or query is a failure of the server", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...resources),
        fc.string({ unit: "binary" }),
        fc.string(),
        async ([method, path], text, parameter) => {
          const query = encodeURIComponent(parameter);
          const reply = await client.call(method, `${path}?${query}=${query}`, { text });
          expect(reply.status).toBeLessThan(500);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("parseJson", () => {
  test("agrees with JSON.parse, and has a position for whatever that refuses", () => {
    const broken = fc
      .tuple(
        fc.json(),
        fc.nat(),
        fc.constantFrom("", ",", "}", "]", '"', ":", "x", "\\", "\n", "1"),
      )
      .map(([json, at, extra]) => {
        const position = at % (json.length + 1);
        return json.slice(0, position) + extra + json.slice(position + (at % 2));
      });
    fc.assert(
      fc.property(fc.oneof(fc.json(), broken), (text) => {
        const { value, fault } = parseJson(text);
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(fault!.offset).toBeLessThanOrEqual(text.length);
          return;
        }
        expect(fault).toBeUndefined();
        expect(value).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});
