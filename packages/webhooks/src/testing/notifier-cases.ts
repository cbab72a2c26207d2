import assert from "node:assert/strict";
import type { NotifierContext } from "./notifier-context.ts";
import type { NotifierHarness } from "./notifier-harness.ts";

/** One thing that every notifier owes. */
export interface NotifierCase {
  /** The id of the case, such as `deliver/whole`. */
  readonly id: string;
  /** What a notifier does, as a sentence without its subject. */
  readonly name: string;
  /** Says why the case is not for a notifier. */
  readonly skip?: (harness: NotifierHarness) => string | undefined;
  readonly run: (context: NotifierContext) => Promise<void>;
}

const AT_ONCE = 20;
const LARGE_BYTES = 1_000_000;
/** Milliseconds in which an attempt ends that was told to end. */
const AT_ONCE_MS = 1_000;

/** Values that JSON can say, and that careless code changes. */
const WHOLE = {
  texts: ["", " ", "ü€😀", "\u2028\u0000\u001F", 'quote " and \\', "שלום", "a\r\nb", "\uFEFFx"],
  numbers: [0, -1.5, 1e-7, 1e21, 1.7976931348623157e308, 9_007_199_254_740_991],
  others: [true, false, null, [], {}, [[[]]]],
  names: { "": 1, "a.b": 2, "ü 😀": 3, toString: 4, constructor: 5 },
  deep: Array.from({ length: 30 }).reduce<unknown>((inner) => ({ inner: [inner] }), "bottom"),
};

const needs =
  (part: "unreachable" | "hanging") =>
  (harness: NotifierHarness): string | undefined =>
    harness[part] ? undefined : `the harness has no ${part}()`;

/** Every case, in the order in which they run. */
export const notifierCases: readonly NotifierCase[] = [
  {
    id: "describe/name",
    name: "has a name of lower-case letters, digits and hyphens",
    async run(context) {
      const { name } = await context.notifier();
      assert.match(name, /^[a-z][a-z0-9-]*$/);
    },
  },
  {
    id: "describe/form",
    name: "says the form of its settings as JSON Schema",
    async run(context) {
      const schema = await jsonSchemaOf(context);
      assert.equal(schema["type"], "object");
      assert.doesNotThrow(() => JSON.stringify(schema));
    },
  },
  {
    id: "settings/accepted",
    name: "accepts good settings",
    async run(context) {
      assert.ok(
        "value" in (await context.validate()),
        "the schema refuses the settings of the harness",
      );
    },
  },
  {
    id: "settings/refused",
    name: "refuses bad settings, and says where they are wrong",
    async run(context) {
      for (const { settings, path } of context.harness.badSettings) {
        const result = await context.validate(settings);
        assert.ok("issues" in result, `it accepts ${JSON.stringify(settings)}`);
        const paths = result.issues.map((issue) => issue.path);
        assert.ok(
          paths.includes(path),
          `the issues are at ${JSON.stringify(paths)}, not at ${path}`,
        );
      }
    },
  },
  {
    id: "settings/unknown",
    name: "refuses settings that it does not know: they may be misspelt",
    async run(context) {
      const { settings = {} } = context.harness;
      const result = await context.validate({ ...(settings as object), noSuchSetting: 1 });
      assert.ok("issues" in result, "it accepts the setting noSuchSetting");
    },
  },
  {
    id: "settings/secret",
    name: "marks settings that are secret as writeOnly, and quotes none of them",
    skip: ({ secrets = [] }) => (secrets.length > 0 ? undefined : "the harness has no secrets"),
    async run(context) {
      const { settings = {}, secrets = [] } = context.harness;
      const writeOnly = writeOnlyNames(await jsonSchemaOf(context));
      for (const secret of secrets) {
        const path = pathOf(settings, secret);
        assert.ok(path, "a secret of the harness is not in its settings");
        assert.ok(
          path.some((name) => writeOnly.has(name)),
          `${path.join(".")} is not writeOnly`,
        );
      }
      const result = await context.validate(withWrongTypes(settings));
      if ("issues" in result) assertNoSecret(result.issues, context.secrets, "an issue");
    },
  },
  {
    id: "destination/accepted",
    name: "accepts a good destination",
    async run(context) {
      const { destination } = await context.accepting();
      const { settings } = await context.request(destination);
      assert.equal((await context.notifier()).checkDestination(destination, settings), undefined);
    },
  },
  {
    id: "destination/refused",
    name: "refuses bad destinations, and says what they must be",
    async run(context) {
      const notifier = await context.notifier();
      const { settings } = await context.request("");
      for (const destination of ["", ...context.harness.badDestinations]) {
        const problem = notifier.checkDestination(destination, settings);
        assert.ok(problem, `it accepts ${JSON.stringify(destination)}`);
        assert.doesNotMatch(problem, /^must\b|\.$/, "the words follow must, and have no full stop");
      }
    },
  },
  {
    id: "destination/bad-delivered",
    name: "fails for good at a destination that has become a bad one",
    async run(context) {
      for (const destination of context.harness.badDestinations) {
        const result = await context.deliver(destination);
        assert.equal(result.ok, false, `it delivers to ${JSON.stringify(destination)}`);
        assert.equal(result.retryable, false, "another attempt would not go better");
      }
    },
  },
  {
    id: "deliver/whole",
    name: "delivers a payload whole",
    async run(context) {
      const destination = await context.accepting();
      const result = await context.deliver(destination.destination, {
        delivery: { id: "delivery-1" },
        event: { data: WHOLE as never },
      });
      assert.equal(result.ok, true, result.error);
      const { id, data } = await context.within("the delivery", destination.next());
      assert.equal(id, "delivery-1");
      assert.deepEqual(data, WHOLE);
    },
  },
  {
    id: "deliver/large",
    name: "delivers a payload of 1 MB whole",
    async run(context) {
      const destination = await context.accepting();
      const data = { text: "é".repeat(LARGE_BYTES / 2) };
      const result = await context.deliver(destination.destination, { event: { data } });
      assert.equal(result.ok, true, result.error);
      const arrived = await context.within("the delivery", destination.next());
      // Not deepEqual: it would print both.
      assert.ok((arrived.data as typeof data | null)?.text === data.text, "the payload is another");
    },
  },
  {
    id: "deliver/same-id",
    name: "sends the same id with each attempt",
    async run(context) {
      const destination = await context.accepting();
      const ids: string[] = [];
      for (const attempt of [1, 2, 3]) {
        const now = new Date(Date.UTC(2026, 10, 30, attempt));
        const trigger = attempt === 1 ? "first" : "retry";
        const delivery = { id: "delivery-1", attempt, trigger } as const;
        const result = await context.deliver(destination.destination, { delivery, now });
        assert.equal(result.ok, true, result.error);
        ids.push((await context.within("the delivery", destination.next())).id);
      }
      assert.deepEqual(ids, ["delivery-1", "delivery-1", "delivery-1"]);
    },
  },
  {
    id: "deliver/at-once",
    name: `delivers ${AT_ONCE} at once, and mixes none of them up`,
    async run(context) {
      const destination = await context.accepting();
      const numbers = Array.from({ length: AT_ONCE }, (_, n) => n);
      const results = await Promise.all(
        numbers.map((n) =>
          context.deliver(destination.destination, {
            delivery: { id: `delivery-${n}` },
            event: { data: { n } },
          }),
        ),
      );
      for (const { ok, error } of results) assert.equal(ok, true, error);
      const arrived = new Map<string, unknown>();
      for (const _ of numbers) {
        const { id, data } = await context.within("all deliveries", destination.next());
        arrived.set(id, data);
      }
      for (const n of numbers) assert.deepEqual(arrived.get(`delivery-${n}`), { n });
    },
  },
  {
    id: "fail/unreachable",
    name: "may be attempted again when the destination is not there",
    skip: needs("unreachable"),
    async run(context) {
      const result = await context.deliver(await context.unreachable());
      assert.equal(result.ok, false, "nobody can have accepted it");
      assert.equal(result.retryable, true, "the destination may come back");
      assert.equal(result.gone ?? false, false, "the destination has not said that it is gone");
    },
  },
  {
    id: "fail/apart",
    name: "delivers elsewhere while a destination is not there",
    skip: needs("unreachable"),
    async run(context) {
      const destination = await context.accepting();
      const [failed, delivered] = await Promise.all([
        context.deliver(await context.unreachable()),
        context.deliver(destination.destination),
      ]);
      assert.deepEqual([failed.ok, delivered.ok], [false, true], delivered.error);
    },
  },
  {
    id: "abort/running",
    name: "ends an attempt at once when it is told to",
    skip: needs("hanging"),
    async run(context) {
      const destination = await context.hanging();
      const controller = new AbortController();
      const notifier = await context.notifier();
      const request = await context.request(destination.destination, { signal: controller.signal });
      const delivered = notifier.deliver(request);
      await context.within("the destination to be reached", destination.next());
      controller.abort();
      const limitMs = AT_ONCE_MS * (context.harness.patience ?? 1);
      const result = await context.within("the aborted attempt", delivered, limitMs);
      assert.equal(result.ok, false, "nobody has accepted it");
      assert.equal(result.retryable, true, "it was not refused");
    },
  },
  {
    id: "abort/before",
    name: "sends nothing when it was told to end before",
    async run(context) {
      const destination = await context.accepting();
      const signal = AbortSignal.abort();
      const aborted = await context.deliver(destination.destination, {
        delivery: { id: "one" },
        signal,
      });
      assert.equal(aborted.ok, false, "it says that it has delivered");
      const result = await context.deliver(destination.destination, { delivery: { id: "two" } });
      assert.equal(result.ok, true, result.error);
      const first = await context.within("the delivery", destination.next());
      assert.equal(first.id, "two", "it was sent all the same");
    },
  },
  {
    id: "secrets/hidden",
    name: "shows no secret in a result",
    async run(context) {
      const destination = await context.accepting();
      const results = [await context.deliver(destination.destination)];
      if (context.harness.unreachable)
        results.push(await context.deliver(await context.unreachable()));
      assertNoSecret(results, context.secrets, "a result");
    },
  },
  {
    id: "close/complete",
    name: "closes everything that it has opened",
    async run(context) {
      const destination = await context.accepting();
      const count = (): number => destination.connections ?? openHandles();
      const before = count();
      await Promise.all([1, 2, 3].map(() => context.deliver(destination.destination)));
      await context.closeNotifier();
      const deadline = performance.now() + AT_ONCE_MS * (context.harness.patience ?? 1);
      while (count() > before && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.ok(count() <= before, "connections are still open after close()");
    },
  },
];

async function jsonSchemaOf(context: NotifierContext): Promise<Record<string, unknown>> {
  const { settings } = await context.notifier();
  const { jsonSchema } = settings["~standard"];
  assert.equal(
    typeof jsonSchema?.input,
    "function",
    "the schema does not say itself as JSON Schema",
  );
  return jsonSchema.input({ target: "draft-2020-12" });
}

/** The names of members that a JSON Schema says are only written. */
function writeOnlyNames(schema: unknown, name = "", found = new Set<string>()): Set<string> {
  if (typeof schema !== "object" || schema === null) return found;
  if ((schema as { readonly writeOnly?: unknown }).writeOnly === true) found.add(name);
  for (const [key, value] of Object.entries(schema)) {
    // These are no members, but say more about the one that they are in.
    const isMember = !Array.isArray(schema) && key !== "additionalProperties" && key !== "items";
    writeOnlyNames(value, isMember ? key : name, found);
  }
  return found;
}

/** The names on the way to a text in a value. */
function pathOf(value: unknown, text: string): readonly string[] | undefined {
  if (typeof value === "string") return value.includes(text) ? [] : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const path = pathOf(member, text);
    if (path) return [key, ...path];
  }
  return undefined;
}

/** The same settings, with each text in an array: schemas that quote what they got would show it. */
function withWrongTypes(value: unknown): unknown {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, withWrongTypes(member)]),
  );
}

function assertNoSecret(value: unknown, secrets: readonly string[], where: string): void {
  const text = JSON.stringify(value);
  // Never with the text itself: what a failed test prints is seen by many.
  const shown = secrets.some((secret) => text.includes(JSON.stringify(secret).slice(1, -1)));
  assert.ok(!shown, `${where} shows a secret`);
}

/** How many connections, servers, pipes and requests of the operating system are open. */
function openHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => name.endsWith("Wrap")).length;
}
