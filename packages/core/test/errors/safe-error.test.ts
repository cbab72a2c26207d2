import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";

import { BusbarError, isBusbarError } from "../../src/errors/errors.ts";
import { rejectSafely, safeError } from "../../src/errors/safe-error.ts";

/** All that a serialiser could find, members that are not enumerable among it. */
function everythingIn(value: unknown): string {
  return inspect(value, { depth: Infinity, showHidden: true, getters: true });
}

function commandError(): Error {
  return Object.assign(new Error("OOM command not allowed when used memory > 'maxmemory'."), {
    name: "ReplyError",
    command: { name: "evalsha", args: ["SECRET-payload"] },
  });
}

describe("safeError", () => {
  test("keeps name, message, code and the frames of the stack", () => {
    const error = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), {
      name: "ConnectError",
      code: "ECONNREFUSED",
    });
    const safe = safeError(error);
    expect(safe).toMatchObject({ name: "ConnectError", code: "ECONNREFUSED" });
    expect(safe.message).toBe("connect ECONNREFUSED 127.0.0.1:1");
    expect(safe.stack).toContain("ConnectError: connect ECONNREFUSED 127.0.0.1:1\n    at ");
    expect(safe.stack).toContain("safe-error.test.ts");
  });

  test("keeps no member of the error's own, at any depth", () => {
    const error = new AggregateError(
      [commandError(), Object.assign(new Error("b"), { parameters: ["SECRET"] })],
      "two failed",
      { cause: new Error("outer", { cause: commandError() }) },
    );
    expect(everythingIn(error)).toContain("SECRET");
    const safe = safeError(error) as AggregateError;
    expect(everythingIn(safe)).not.toContain("SECRET");
    expect(safe.errors.map(({ name }: Error) => name)).toEqual(["ReplyError", "Error"]);
    expect((safe.cause as Error).cause).toMatchObject({ name: "ReplyError" });
  });

  test("keeps a cause that is no error as an error that says what it is", () => {
    const safe = safeError(new Error("a", { cause: { password: "SECRET" } }));
    expect(everythingIn(safe)).not.toContain("SECRET");
    expect(safe.cause).toEqual(new Error("Not an error but [object Object]"));
    expect(safeError(undefined).message).toBe("Not an error but a value of the type undefined");
    expect(safeError("a text").message).toBe("a text");
  });

  test.each([
    ["cannot reach redis://shop:SECRET@host:6379", "cannot reach redis://…@host:6379"],
    ["postgres://u:SEC/R@T@db/x?a=1", "postgres://…@db/x?a=1"],
    ["postgres://db/x?user=u&password=SECRET&b=1", "postgres://db/x?user=u&password=…&b=1"],
    [
      "ERR unknown command 'EVALSHA', with args beginning with: 'SECRET' ",
      "ERR unknown command 'EVALSHA'",
    ],
  ])("takes secrets out of %j", (message, expected) => {
    const error = new Error(message);
    expect(error.stack).toContain(message);
    expect(safeError(error).message).toBe(expected);
    expect(safeError(error).stack).not.toContain(message);
  });

  test("takes the text that a JSON parser quotes out of its message", () => {
    for (const text of ["SECRET", '{"card":SECRET}', '{"card":"SECRET', "{'SECRET':1}"]) {
      const error = thrownBy(() => JSON.parse(text) as unknown);
      expect(everythingIn(safeError(error))).not.toContain("SECRET");
      expect(safeError(error)).toMatchObject({ name: "SyntaxError" });
    }
  });

  test("a message may have lines that look like frames", () => {
    const safe = safeError(new Error("first\n    at SECRET (file.ts:1:1)"), {
      redact: () => "redacted",
    });
    expect(everythingIn(safe)).not.toContain("SECRET");
    expect(safe.stack).toMatch(/^Error: redacted\n {4}at /);
  });

  test("redacts the messages of causes as well", () => {
    const safe = safeError(new Error("SECRET", { cause: new Error("SECRET") }), {
      redact: (message) => message.replaceAll("SECRET", "…"),
    });
    expect(everythingIn(safe)).not.toContain("SECRET");
  });

  test("a BusbarError keeps code and details, and loses what the errors in them carry", () => {
    const details = {
      provider: "redis",
      rejected: [{ id: "1", reason: "x", cause: commandError() }],
    };
    const error = new BusbarError("BUSBAR_UNAVAILABLE", "refused", details, {
      cause: commandError(),
    });
    const safe = safeError(error);
    expect(isBusbarError(safe, "BUSBAR_UNAVAILABLE")).toBe(true);
    expect(safe).toMatchObject({ details: { provider: "redis", rejected: [{ id: "1" }] } });
    expect(everythingIn(safe)).not.toContain("SECRET");
  });

  test("a TypeError stays one, without what it carries", () => {
    const error = thrownBy(() => new URL("SECRET"));
    expect(everythingIn(error)).toContain("SECRET");
    const safe = safeError(error);
    expect(safe).toBeInstanceOf(TypeError);
    expect(safe).toMatchObject({ code: "ERR_INVALID_URL" });
    expect(everythingIn(safe)).not.toContain("SECRET");
  });

  test("a RangeError stays one", () => {
    expect(safeError(thrownBy(() => "x".repeat(-1)))).toBeInstanceOf(RangeError);
  });

  test.each(["name", "code", "cause", "stack", "errors"])(
    "keeps what can be read of an error whose %s cannot",
    (member) => {
      const error = new AggregateError([new Error("one of several")], "all failed");
      Object.defineProperty(error, member, {
        get() {
          throw new Error("SECRET");
        },
      });
      expect(safeError(error).message).toBe("all failed");
      expect(everythingIn(safeError(error))).not.toContain("SECRET");
    },
  );

  test("knows errors of other realms", () => {
    const error: unknown = runInNewContext(`Object.assign(new Error("far"), { secret: "SECRET" })`);
    expect(safeError(error).message).toBe("far");
    expect(everythingIn(safeError(error))).not.toContain("SECRET");
  });

  test("cuts long messages, stacks and chains of causes", () => {
    let chain = new Error("the first");
    for (let depth = 0; depth < 100_000; depth += 1) chain = new Error("next", { cause: chain });
    const safe = safeError(chain);
    let length = 0;
    for (let error: unknown = safe; error instanceof Error; error = error.cause) length += 1;
    expect(length).toBe(6);

    const long = safeError(new Error("😀".repeat(1_000_000)));
    expect(long.message.length).toBeLessThanOrEqual(2_001);
    expect(() => encodeURIComponent(long.message)).not.toThrow();
    expect(long.stack?.length).toBeLessThan(10_000);

    const cyclic = new Error("cyclic");
    cyclic.cause = cyclic;
    expect(safeError(cyclic).message).toBe("cyclic");
    const many = Array.from({ length: 1_000 }, () => new Error("one"));
    expect((safeError(new AggregateError(many)) as AggregateError).errors).toHaveLength(10);
  });

  test("never throws, whatever was thrown", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const getter = Object.defineProperty(new Error("x"), "cause", {
      get(): never {
        throw new Error("no");
      },
    });
    for (const thrown of [proxy, getter, null, Symbol("s"), 1n, () => {}]) {
      expect(safeError(thrown)).toBeInstanceOf(Error);
    }
  });

  test("is idempotent", () => {
    const once = safeError(new Error("a", { cause: commandError() }));
    const twice = safeError(once);
    expect(everythingIn(twice)).toBe(everythingIn(once));
  });
});

test("rejectSafely rejects with a safe error, also when the work throws", async () => {
  await expect(rejectSafely(() => 1)).resolves.toBe(1);
  const failed = await rejectSafely(() => Promise.reject(commandError())).catch((e: unknown) => e);
  expect(everythingIn(failed)).not.toContain("SECRET");
  const thrown = await rejectSafely(() => {
    throw commandError();
  }).catch((error: unknown) => error);
  expect(everythingIn(thrown)).not.toContain("SECRET");
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
