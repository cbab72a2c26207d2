import assert from "node:assert/strict";
import type { StandardJSONSchemaV1 } from "@standard-schema/spec";
import { describe, expect, test } from "vitest";
import type { Notifier, NotifierRequest, NotifierResult } from "../../src/contract/notifier.ts";
import { notifierCases } from "../../src/testing/notifier-cases.ts";
import { runNotifierCase } from "../../src/testing/test-notifier.ts";
import { testNotifier } from "../../src/testing.ts";
import { httpHarness, httpOf } from "../support/notifier-harnesses.ts";

interface Mutant {
  readonly mistake: string;
  readonly caughtBy: readonly string[];
  readonly of: () => Notifier;
}

/** The notifier `http`, in which something is different. */
function http(change: (inner: Notifier) => Partial<Notifier>): () => Notifier {
  return () => {
    const inner = httpOf();
    return {
      name: inner.name,
      settings: inner.settings,
      signs: inner.signs,
      checkDestination: (destination, settings) => inner.checkDestination(destination, settings),
      deliver: (request) => inner.deliver(request),
      close: async () => inner.close?.(),
      ...change(inner),
    };
  };
}

/** … in which the schema finds something else. */
function validating(
  change: (
    inner: Notifier,
    settings: unknown,
  ) => ReturnType<Notifier["settings"]["~standard"]["validate"]>,
): () => Notifier {
  return http((inner) => ({
    settings: {
      "~standard": {
        ...inner.settings["~standard"],
        validate: (settings) => change(inner, settings),
      },
    },
  }));
}

/** … in which requests are other ones. */
function sending(change: (request: NotifierRequest) => NotifierRequest): () => Notifier {
  return http((inner) => ({ deliver: (request) => inner.deliver(change(request)) }));
}

/** … in which results are other ones. */
function resulting(
  change: (result: NotifierResult, request: NotifierRequest) => NotifierResult,
): () => Notifier {
  return http((inner) => ({
    deliver: async (request) => change(await inner.deliver(request), request),
  }));
}

const withData = (change: (text: string) => string): (() => Notifier) =>
  sending((request) => {
    const data = JSON.parse(change(JSON.stringify(request.event.data))) as never;
    return { ...request, event: { ...request.event, data } };
  });

const mutants: readonly Mutant[] = [
  {
    mistake: "has a name with a space",
    caughtBy: ["describe/name"],
    of: http(() => ({ name: "Web Hook" })),
  },
  {
    mistake: "has no JSON Schema",
    caughtBy: ["describe/form"],
    of: http((inner) => {
      const { jsonSchema: _, ...standard } = inner.settings["~standard"];
      return { settings: { "~standard": standard as never } };
    }),
  },
  {
    mistake: "refuses good settings",
    caughtBy: ["settings/accepted"],
    of: validating(() => ({ issues: [{ message: "no" }] })),
  },
  {
    mistake: "accepts every setting",
    caughtBy: ["settings/refused", "settings/unknown"],
    of: validating((_inner, value) => ({ value })),
  },
  {
    mistake: "does not say where settings are wrong",
    caughtBy: ["settings/refused"],
    of: validating(async (inner, settings) => {
      const result = await inner.settings["~standard"].validate(settings);
      return result.issues ? { issues: [{ message: "is wrong" }] } : result;
    }),
  },
  {
    mistake: "does not mark what is secret",
    caughtBy: ["settings/secret"],
    of: http((inner) => {
      const standard = inner.settings["~standard"];
      const open = (schema: Record<string, unknown>): Record<string, unknown> =>
        JSON.parse(JSON.stringify(schema).replaceAll('"writeOnly":true', '"title":""')) as never;
      const jsonSchema = {
        ...standard.jsonSchema,
        input: (options: StandardJSONSchemaV1.Options) => open(standard.jsonSchema.input(options)),
      };
      return { settings: { "~standard": { ...standard, jsonSchema } } };
    }),
  },
  {
    mistake: "quotes a secret that is wrong",
    caughtBy: ["settings/secret"],
    of: validating(async (inner, settings) => {
      const result = await inner.settings["~standard"].validate(settings);
      return result.issues ? { issues: [{ message: JSON.stringify(settings) }] } : result;
    }),
  },
  {
    mistake: "refuses every destination",
    caughtBy: ["destination/accepted"],
    of: http(() => ({ checkDestination: () => "be another" })),
  },
  {
    mistake: "accepts every destination",
    caughtBy: ["destination/refused"],
    of: http(() => ({ checkDestination: () => undefined })),
  },
  {
    mistake: "says must twice",
    caughtBy: ["destination/refused"],
    of: http((inner) => ({
      checkDestination: (destination, settings) =>
        inner.checkDestination(destination, settings)?.replace(/^/, "must "),
    })),
  },
  {
    mistake: "attempts a bad destination again",
    caughtBy: ["destination/bad-delivered"],
    of: resulting((result) => ({ ...result, retryable: !result.ok })),
  },
  {
    mistake: "says that it has delivered, and has not",
    caughtBy: ["deliver/whole", "fail/unreachable"],
    of: http(() => ({ deliver: async () => ({ ok: true, retryable: false }) })),
  },
  {
    mistake: "loses what is no ASCII",
    caughtBy: ["deliver/whole", "deliver/large"],
    of: withData((text) => text.replaceAll(/[^ -~]/g, "?")),
  },
  {
    mistake: "rounds numbers",
    caughtBy: ["deliver/whole"],
    of: withData((text) => text.replaceAll("9007199254740991", "9007199254740990")),
  },
  {
    mistake: "drops what is null",
    caughtBy: ["deliver/whole"],
    of: withData((text) => text.replaceAll(",null", "")),
  },
  {
    mistake: "cuts texts off",
    caughtBy: ["deliver/large"],
    of: withData((text) => text.replace(/(.{65536}).*"/, '$1"')),
  },
  {
    mistake: "makes an id for each attempt",
    caughtBy: ["deliver/whole", "deliver/same-id"],
    of: sending((request) => {
      const id = `${request.delivery.id}-${request.delivery.attempt}`;
      return {
        ...request,
        delivery: { ...request.delivery, id },
        sign: (body) => ({ ...request.sign(body), "webhook-id": id }),
      };
    }),
  },
  {
    mistake: "keeps what it sends between calls",
    caughtBy: ["deliver/at-once"],
    of: http((inner) => {
      let last: NotifierRequest | undefined;
      return {
        async deliver(request) {
          last = request;
          await new Promise((resolve) => setImmediate(resolve));
          return inner.deliver({ ...request, event: last.event });
        },
      };
    }),
  },
  {
    mistake: "throws when nobody is there",
    caughtBy: ["fail/unreachable"],
    of: http((inner) => ({
      async deliver(request) {
        const result = await inner.deliver(request);
        if (!result.ok) throw new Error(result.error);
        return result;
      },
    })),
  },
  {
    mistake: "gives up when nobody is there",
    caughtBy: ["fail/unreachable"],
    of: resulting((result) => ({ ...result, retryable: false })),
  },
  {
    mistake: "does not say what kind of error it was",
    caughtBy: ["fail/unreachable"],
    of: resulting((result) => ({ ...result, errorClass: undefined })),
  },
  {
    mistake: "makes up a class",
    caughtBy: ["fail/unreachable"],
    of: resulting((result) => ({ ...result, ...(!result.ok && { errorClass: "oops" as never }) })),
  },
  {
    mistake: "disables a subscription whose destination is away",
    caughtBy: ["fail/unreachable"],
    of: resulting((result) => ({ ...result, gone: !result.ok })),
  },
  {
    mistake: "fails everything once something has failed",
    caughtBy: ["fail/apart"],
    of: http((inner) => {
      let failed: NotifierResult | undefined;
      return {
        async deliver(request) {
          const result = await inner.deliver(request);
          if (!result.ok) failed = result;
          await new Promise((resolve) => setTimeout(resolve, 100));
          return failed ?? result;
        },
      };
    }),
  },
  {
    mistake: "does not listen to the signal",
    caughtBy: ["abort/running", "abort/before"],
    of: sending((request) => ({ ...request, signal: new AbortController().signal })),
  },
  {
    mistake: "gives up what was aborted",
    caughtBy: ["abort/running"],
    of: resulting((result) => ({ ...result, retryable: false })),
  },
  {
    mistake: "shows a header that is secret",
    caughtBy: ["secrets/hidden"],
    of: resulting((result) => ({
      ...result,
      requestHeaders: { "x-api-key": "secret of the header" },
    })),
  },
  {
    mistake: "shows the secret of the subscription in an error",
    caughtBy: ["secrets/hidden"],
    of: resulting((result, { subscription }) =>
      result.ok
        ? result
        : { ...result, error: `Not signed with ${subscription.secrets[0]?.value}` },
    ),
  },
  {
    mistake: "shows answers without an end",
    caughtBy: ["deliver/whole"],
    of: resulting((result) => ({ ...result, response: "x".repeat(16_385) })),
  },
  {
    mistake: "asks for a wait without an end",
    caughtBy: ["fail/unreachable"],
    of: resulting((result) => ({ ...result, retryAfterMs: Number.POSITIVE_INFINITY })),
  },
  {
    mistake: "leaves its connections open",
    caughtBy: ["close/complete"],
    of: http(() => ({ close: async () => {} })),
  },
  {
    mistake: "does not come to an end of closing",
    caughtBy: ["close/complete"],
    of: http((inner) => ({
      close: async () => {
        await inner.close?.();
        await new Promise(() => {});
      },
    })),
  },
];

/** A tenth of the limits: what fails for these alone would fail without the mistake, too. */
const HASTY = 0.1;

describe.each(mutants)("a notifier that $mistake", ({ caughtBy, of }) => {
  test.each(caughtBy)("is caught by %s", async (id) => {
    const found = notifierCases.find((it) => it.id === id);
    assert.ok(found, `there is a case ${id}`);
    await expect(runNotifierCase(found, { ...httpHarness(of), patience: HASTY })).rejects.toThrow();
  });
});

test("each case catches a mistake", () => {
  const caught = new Set(mutants.flatMap(({ caughtBy }) => caughtBy));
  expect(notifierCases.map(({ id }) => id).filter((id) => !caught.has(id))).toEqual([]);
});

test("cases that a harness cannot show are skipped, and say why", () => {
  const registered: [string, boolean | undefined][] = [];
  const { unreachable: _, hanging: __, secrets: ___, ...harness } = httpHarness();
  testNotifier((name, { skip }) => registered.push([name, skip]), harness);
  expect(registered.filter(([, skip]) => skip).map(([name]) => name)).toEqual([
    expect.stringMatching(/writeOnly.*\(skipped: the harness has no secrets\)$/),
    expect.stringMatching(/\(skipped: the harness has no unreachable\(\)\)$/),
    expect.stringMatching(/\(skipped: the harness has no unreachable\(\)\)$/),
    expect.stringMatching(/\(skipped: the harness has no hanging\(\)\)$/),
  ]);
});

test("a harness that lacks something is told so", () => {
  expect(() => testNotifier(undefined as never, httpHarness())).toThrow(/vitest's test/);
  const { create: _, ...incomplete } = httpHarness();
  expect(() => testNotifier(() => {}, incomplete as never)).toThrow(/needs the option create/);
  expect(() => testNotifier(() => {}, { ...httpHarness(), hangs: 1 } as never)).toThrow(/hangs/);
});
