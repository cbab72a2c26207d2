import { runInNewContext } from "node:vm";
import { describe, expect, onTestFinished, test } from "vitest";
import type { EventMessage, EventMetadata } from "../../src/contract/event.ts";
import type { Issue } from "../../src/contract/issue.ts";
import { isBusbarError } from "../../src/errors/errors.ts";
import { startTestBus, type TestBusOptions } from "../support/test-bus.ts";

/** What a handler gets of data that is emitted. */
async function received(data: unknown, options?: TestBusOptions): Promise<unknown> {
  const { bus } = await startTestBus(options);
  const seen: unknown[] = [];
  bus.subscribe("a", (event) => void seen.push(event.data));
  await bus.emit("a", data);
  await bus.settled();
  expect(seen).toHaveLength(1);
  return seen[0];
}

async function refused(...messages: unknown[]): Promise<readonly Issue[]> {
  const { bus } = await startTestBus();
  const error: unknown = await bus
    .emit(messages.map((data) => ({ name: "a", data })))
    .then(() => new Error("It was emitted"))
    .catch((reason) => reason);
  if (!isBusbarError(error, "BUSBAR_INVALID_MESSAGE")) throw error;
  return error.details.issues;
}

/** Why an object is refused that JSON would make `{}`. */
function empty(kind: string): string {
  return `${kind} that has no members of its own would be empty as JSON; give it a toJSON, or emit its content`;
}

class Money {
  readonly amount: number;
  readonly currency = "EUR";
  #secret = "never sent";

  constructor(amount: number) {
    this.amount = amount;
  }

  get secret(): string {
    return this.#secret;
  }

  plus(other: Money): Money {
    return new Money(this.amount + other.amount);
  }
}

describe("data that is JSON", () => {
  test.each([
    [null],
    [true],
    [false],
    [0],
    [-1.5e-300],
    [Number.MAX_SAFE_INTEGER],
    [""],
    ['Größe 日本語 🎉 \u0000 \\ " \u2028'],
    [[]],
    [{}],
    [[[], [[]], {}]],
    [{ a: null, b: [null, { c: null }] }],
    [{ "": "", " ": 1, "a.b": 2, Straße: 3, "0": 4 }],
  ])("%j arrives as it is", async (data) => {
    expect(await received(data)).toStrictEqual(data);
  });

  test("undefined members are dropped, and in arrays they are null", async () => {
    const data = { a: undefined, b: [1, undefined, 3], c: { d: undefined } };
    expect(await received(data)).toStrictEqual({ b: [1, null, 3], c: {} });
  });

  test("a hole in an array is null", async () => {
    // oxlint-disable-next-line no-sparse-arrays
    expect(await received([1, , 3])).toStrictEqual([1, null, 3]);
  });

  test("dates and others with toJSON are what it returns", async () => {
    const at = new Date("2026-01-01T12:00:00.000Z");
    const own = { toJSON: () => ({ at, list: [at] }) };
    const text = "2026-01-01T12:00:00.000Z";
    expect(await received({ at, own })).toStrictEqual({
      at: text,
      own: { at: text, list: [text] },
    });
    expect(await received(at)).toBe(text);
    expect(await received(Buffer.from("hi"))).toStrictEqual({ type: "Buffer", data: [104, 105] });
    expect(await received(new URL("https://shop.test/"))).toBe("https://shop.test/");
  });

  test("an instance of a class is its own members", async () => {
    expect(await received({ total: new Money(5) })).toStrictEqual({
      total: { amount: 5, currency: "EUR" },
    });
  });

  test("an object without a prototype is its members", async () => {
    const data = Object.assign(Object.create(null) as object, { a: 1 });
    expect(await received(data)).toStrictEqual({ a: 1 });
  });

  test("boxed primitives are primitives", async () => {
    const data = [new String("a"), new Number(1), new Boolean(false)];
    expect(await received(data)).toStrictEqual(["a", 1, false]);
  });

  test("members that are not enumerable, inherited or under a symbol stay behind", async () => {
    const data = Object.create({ inherited: 1 }) as Record<string | symbol, unknown>;
    Object.defineProperty(data, "hidden", { value: 1 });
    data[Symbol("key")] = 1;
    data["own"] = 1;
    expect(await received(data)).toStrictEqual({ own: 1 });
  });

  test("a member named __proto__ is data like any other", async () => {
    const data = JSON.parse('{"__proto__":{"isAdmin":true},"constructor":1}') as object;
    const seen = (await received({ nested: [data] })) as { nested: [Record<string, unknown>] };
    const [copy] = seen.nested;
    expect(Object.keys(copy)).toEqual(["__proto__", "constructor"]);
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"isAdmin":true},"constructor":1}');
    expect(copy["isAdmin"]).toBeUndefined();
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  });

  test("each part is read once, also beside members that are dropped", async () => {
    let reads = 0;
    const counted = { toJSON: () => (reads += 1) };
    // Read twice on every level, it would be read 8 192 times.
    let data: object = { counted, dropped: undefined };
    for (let level = 0; level < 12; level += 1) data = { data, dropped: undefined };

    await received(data);

    expect(reads).toBe(1);
  });

  test("what an object inherits is no data", async () => {
    const inherited = {
      inherited: { enumerable: true, configurable: true, writable: true, value: () => {} },
    };
    Object.defineProperties(Object.prototype, inherited);
    onTestFinished(() => void delete (Object.prototype as { inherited?: unknown }).inherited);

    const copy = await received({ own: { nested: 1 } });

    expect(JSON.stringify(copy)).toBe('{"own":{"nested":1}}');
    expect(Object.hasOwn(copy as object, "inherited")).toBe(false);
  });

  test("__proto__ in metadata is data, too", async () => {
    const { bus } = await startTestBus();
    const metadata = JSON.parse('{"__proto__":{"isAdmin":true}}') as EventMetadata;
    let seen: object = {};
    bus.subscribe("a", (event) => {
      seen = event.metadata;
    });
    await bus.emit({ name: "a", data: 1, metadata });
    await bus.settled();
    expect(Object.hasOwn(seen, "__proto__")).toBe(true);
    expect((seen as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  });

  test("an object that is there twice is no cycle", async () => {
    const address = { city: "Bonn" };
    const data = { billing: address, shipping: address, all: [address, address] };
    expect(await received(data)).toStrictEqual(structuredClone(data));
  });

  test("a member whose toJSON returns undefined is dropped, in arrays it is null", async () => {
    const absent = { toJSON: (): undefined => undefined };
    expect(await received({ a: absent, b: [absent], c: 1 })).toStrictEqual({ b: [null], c: 1 });
  });

  test("a toJSON that returns its object is asked once, and told its key as by JSON.stringify", async () => {
    const keys: unknown[] = [];
    const own = {
      a: 1,
      toJSON(key: unknown): object {
        keys.push(key);
        return this;
      },
    };
    const data = { own, list: [own, { own }] };
    expect(await received(data)).toEqual(
      JSON.parse(JSON.stringify({ own: { a: 1 }, list: [{ a: 1 }, { own: { a: 1 } }] })),
    );
    expect(await received({ toJSON: (key: unknown) => ({ key }) })).toEqual({ key: "" });
    expect(keys).toEqual(["own", "0", "own"]);
  });

  test("a BigInt with a toJSON is what it returns", async () => {
    const prototype = BigInt.prototype as { toJSON?: () => string };
    prototype.toJSON = () => "1";
    onTestFinished(() => void delete prototype.toJSON);
    expect(await received({ a: 1n })).toEqual({ a: "1" });
  });

  test("-0 is 0, as in JSON", async () => {
    expect(Object.is(((await received([-0])) as number[])[0], 0)).toBe(true);
  });

  test("plain objects and arrays of another realm are their members", async () => {
    const data: unknown = runInNewContext(
      `({ a: {}, b: [1, { c: new Date(0) }], d: new Number(2) })`,
    );
    expect(await received(data)).toStrictEqual({
      a: {},
      b: [1, { c: "1970-01-01T00:00:00.000Z" }],
      d: 2,
    });
  });

  test("an instance of a class whose members are all undefined is empty", async () => {
    class Options {
      readonly a = undefined;
    }
    expect(await received({ options: new Options() })).toStrictEqual({ options: {} });
  });

  test("500 levels are not too deep", async () => {
    let data: unknown = 1;
    for (let level = 0; level < 500; level++) data = [data];
    expect(await received(data)).toStrictEqual(data);
    expect(await refused([data])).toEqual([
      { path: "[0].data", reason: "is nested more than 500 levels deep" },
    ]);
  });

  test("10 MB arrive whole", async () => {
    const data = {
      text: "x".repeat(5_000_000),
      rows: Array.from({ length: 50_000 }, (_, i) => ({ i, text: `row ${i}`.repeat(10) })),
    };
    const seen = (await received(data, { maxPayloadBytes: 20_000_000 })) as typeof data;
    expect(JSON.stringify(seen).length).toBeGreaterThan(10_000_000);
    expect(JSON.stringify(seen) === JSON.stringify(data)).toBe(true);
  });
});

describe("the size of data", () => {
  async function issueOf(
    message: EventMessage,
    maxPayloadBytes?: number,
  ): Promise<Issue | undefined> {
    const { bus } = await startTestBus({ maxPayloadBytes });
    const error: unknown = await bus.emit(message).catch((reason: unknown) => reason);
    return isBusbarError(error, "BUSBAR_INVALID_MESSAGE") ? error.details.issues[0] : undefined;
  }

  test.each([
    ["a"],
    ['é😀\0\\"'],
    [[1, [true, null, -1.5e-7], {}, []]],
    [{ a: "b", "é\n": [{ c: "\u2028" }] }],
  ])("of %j is limited to the byte", async (data) => {
    const bytes = Buffer.byteLength(JSON.stringify(data));
    expect(await issueOf({ name: "a", data }, bytes)).toBeUndefined();
    expect(await issueOf({ name: "a", data }, bytes - 1)).toEqual({
      path: "data",
      reason: `has ${bytes} bytes as JSON, and maxPayloadBytes is ${bytes - 1}`,
    });
  });

  test("is limited to 1 MiB by default", async () => {
    expect(await issueOf({ name: "a", data: "x".repeat(1_048_574) })).toBeUndefined();
    expect(await issueOf({ name: "a", data: "x".repeat(1_048_575) })).toMatchObject({
      path: "data",
      reason: "has 1048577 bytes as JSON, and maxPayloadBytes is 1048576",
    });
  });

  test("counts the metadata that is given, and no other", async () => {
    const message = { name: "a", data: "x".repeat(98) };
    expect(await issueOf(message, 100)).toBeUndefined();
    expect(await issueOf({ ...message, metadata: { note: "y" } }, 100)).toMatchObject({
      path: "metadata",
    });
    const { bus } = await startTestBus({ maxPayloadBytes: 100 });
    await expect(
      bus.emit<unknown>([
        { name: "a", data: 1 },
        { ...message, data: "x".repeat(99) },
      ]),
    ).rejects.toMatchObject({ details: { issues: [{ path: "[1].data" }] } });
  });

  test("is limited for groups, and for what interceptors replace", async () => {
    const { bus } = await startTestBus({ maxPayloadBytes: 10 });
    const invalid = { code: "BUSBAR_INVALID_MESSAGE" };
    const metadata = { eventGroupId: "g" };
    await expect(bus.emit({ name: "a", data: "x".repeat(11), metadata })).rejects.toMatchObject(
      invalid,
    );
    bus.addInterceptor((event) => ({ ...event, data: "x".repeat(11) }));
    await expect(bus.emit("a", 1)).rejects.toMatchObject(invalid);
  });

  test("is not worth walking to the end for", async () => {
    let shared: unknown = [1];
    for (let level = 0; level < 60; level += 1) shared = [shared, shared];
    expect(await issueOf({ name: "a", data: shared })).toMatchObject({
      path: "data",
      reason: expect.stringMatching(
        /^has at least \d+ bytes as JSON, and maxPayloadBytes is 1048576$/,
      ),
    });
    // oxlint-disable-next-line unicorn/no-new-array
    expect(await issueOf({ name: "a", data: new Array(4_000_000_000) })).toMatchObject({
      reason: "has at least 8000000000 bytes as JSON, and maxPayloadBytes is 1048576",
    });
  });
});

describe("data that is not JSON", () => {
  test.each([
    [undefined, "undefined is not JSON; use null"],
    [() => 1, "a function is not JSON"],
    [class {}, "a function is not JSON"],
    [Symbol("a"), "a symbol is not JSON"],
    [1n, "a BigInt is not JSON; use a string"],
    [Object(1n), "a BigInt is not JSON; use a string"],
    [Number.NaN, "NaN is not JSON"],
    [Number.POSITIVE_INFINITY, "Infinity is not JSON"],
    [Number.NEGATIVE_INFINITY, "-Infinity is not JSON"],
    [Object(Number.NaN), "NaN is not JSON"],
    [new Map([[1, 2]]), "a Map is not JSON"],
    [new Set([1]), "a Set is not JSON"],
    [new (class Prices extends Map {})(), "a Map is not JSON"],
    [new WeakMap(), "a weak collection is not JSON"],
    [new WeakSet(), "a weak collection is not JSON"],
    [Promise.resolve(1), "a Promise (is an await missing?) is not JSON"],
    [runInNewContext("new Map()"), "a Map is not JSON"],
    [new Error("lost"), "an Error (JSON leaves its message out) is not JSON"],
    [
      Object.assign(new Error("lost"), { code: 1 }),
      "an Error (JSON leaves its message out) is not JSON",
    ],
    [
      runInNewContext("new TypeError('lost')"),
      "an Error (JSON leaves its message out) is not JSON",
    ],
    [/a+/, "a RegExp is not JSON"],
    [new ArrayBuffer(8), "binary data (text, such as base64, would be) is not JSON"],
    [new DataView(new ArrayBuffer(8)), "binary data (text, such as base64, would be) is not JSON"],
    [new Uint8Array(2), "binary data (text, such as base64, would be) is not JSON"],
    [new Date(Number.NaN), "an invalid Date is not JSON"],
    [Object(Symbol("a")), "a symbol is not JSON"],
    ["a\ud800", "text has half of a surrogate pair, which is no character"],
    [{ "a\udc00": 1 }, "the name of a member has half of a surrogate pair, which is no character"],
    [new WeakRef({}), empty("a value of the kind WeakRef")],
    [[1].values(), empty("a value of the kind Array Iterator")],
    [new URLSearchParams("a=1"), empty("a value of the kind URLSearchParams")],
    [new Headers({ a: "1" }), empty("a value of the kind Headers")],
    [new Blob(["a"]), empty("a value of the kind Blob")],
    [new FormData(), empty("a value of the kind FormData")],
    [new Request("http://a/"), empty("a value of the kind Request")],
    [new Response("a"), empty("a value of the kind Response")],
    [new Intl.NumberFormat("en"), empty("a value of the kind Intl.NumberFormat")],
    [new Map([[1, 2]]).entries(), empty("a value of the kind Map Iterator")],
    [(async function* () {})(), empty("a value of the kind AsyncGenerator")],
    [new SharedArrayBuffer(8), "binary data (text, such as base64, would be) is not JSON"],
    [new DOMException("lost"), "an Error (JSON leaves its message out) is not JSON"],
    [runInNewContext("Promise.resolve(1)"), "a Promise (is an await missing?) is not JSON"],
    [
      runInNewContext("new Uint8Array(2)"),
      "binary data (text, such as base64, would be) is not JSON",
    ],
    [
      new (class Private {
        #cents = 5;
        cents(): number {
          return this.#cents;
        }
      })(),
      empty("an object of a class"),
    ],
    [Object.create({ inherited: 1 }), empty("an object of a class")],
    [{ [Symbol("a")]: 1 }, "has its members under symbols, which JSON leaves out"],
  ])("%o is refused, at the top and within", async (value, reason) => {
    if (value !== undefined) {
      expect(await refused({ a: 1 }, { items: [{ sku: value }] })).toEqual([
        { path: "[1].data.items[0].sku", reason },
      ]);
      expect(await refused([[1, value]])).toEqual([{ path: "[0].data[0][1]", reason }]);
    }
    expect(await refused(value)).toEqual([{ path: "[0].data", reason }]);
  });

  test("a proxy of a Map or of a Date, and a getter that throws, are refused, with their place", async () => {
    const getter = {
      get a(): never {
        throw new Error("no a");
      },
    };
    expect(await refused({ items: [getter] })).toEqual([
      { path: "[0].data.items[0]", reason: "cannot be read: no a" },
    ]);
    const issues = await refused({
      items: [{ sku: new Proxy(new Map([[1, 2]]), {}) }],
    });
    expect(issues).toEqual([
      { path: "[0].data.items[0].sku", reason: empty("a value of the kind Map") },
    ]);
    expect(await refused({ at: new Proxy(new Date(0), {}) })).toEqual([
      { path: "[0].data.at", reason: "cannot be read: this is not a Date object." },
    ]);
  });

  test("a name is refused among events that look alike but for it, each time", async () => {
    const half = { first: 1, ["a\ud800"]: 2, last: 3 };
    const reason = "the name of a member has half of a surrogate pair, which is no character";
    expect(await refused({ first: 1, a: 2, last: 3 }, half, { a: 2 }, half)).toEqual([
      { path: "[1].data", reason },
      { path: "[3].data", reason },
    ]);
  });

  test("a cycle is refused, and the path ends where it closes", async () => {
    const order: { id: number; lines: unknown[] } = { id: 1, lines: [] };
    order.lines.push({ id: 2, order });
    expect(await refused({ order })).toEqual([
      { path: "[0].data.order.lines[0].order", reason: "is a cycle: it holds itself" },
    ]);
    const list: unknown[] = [];
    list.push(list);
    expect(await refused(list)).toEqual([
      { path: "[0].data[0]", reason: "is a cycle: it holds itself" },
    ]);
  });

  test("only what is wrong is in the path, and what is there twice is no cycle", async () => {
    const address = { city: "Bonn" };
    const data = { billing: address, lines: [1, { shipping: address }], total: Number.NaN };
    expect(await refused(data)).toEqual([{ path: "[0].data.total", reason: "NaN is not JSON" }]);
  });

  test("a toJSON that never ends is refused", async () => {
    const endless = { toJSON: (): object => ({ again: endless }) };
    const [issue] = await refused({ endless });
    expect(issue).toEqual({ path: "[0].data", reason: "is nested more than 500 levels deep" });
  });

  test("data that is nested too deeply is refused", async () => {
    let data: unknown = 1;
    for (let level = 0; level < 100_000; level++) data = { data };
    const [issue] = await refused(data);
    expect(issue).toEqual({ path: "[0].data", reason: "is nested more than 500 levels deep" });
  });

  test("a getter or a toJSON that throws is refused with what it threw", async () => {
    const getter = {
      get total(): number {
        throw new Error("no prices");
      },
    };
    expect(await refused(getter)).toEqual([
      { path: "[0].data", reason: "cannot be read: no prices" },
    ]);
    const text = {
      toJSON() {
        throw "no JSON";
      },
    };
    expect(await refused(text)).toEqual([{ path: "[0].data", reason: "cannot be read: no JSON" }]);
  });
});
