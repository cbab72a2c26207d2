import assert from "node:assert/strict";
import {
  ERROR_CLASSES,
  type Notifier,
  type NotifierRequest,
  type NotifierResult,
} from "../contract/notifier.ts";
import { newSecret } from "../secrets/secret-text.ts";
import type { NotifierHarness, TestDestination } from "./notifier-harness.ts";
import { notifierRequest, type NotifierRequestParts } from "./notifier-request.ts";

/** Bytes of an answer that a result may have. */
const MOST_RESPONSE_BYTES = 16_384;
const LIMIT_MS = 10_000;

/** What one case works with: a notifier of its own, and everything that it has started. */
export class NotifierContext {
  readonly harness: NotifierHarness;
  /** Milliseconds that a working notifier cannot need, however busy the machine is. */
  readonly limitMs: number;
  /** A secret of the subscription. */
  readonly secret: string = newSecret();
  readonly #cleanups: (() => unknown)[] = [];
  #notifier: Promise<Notifier> | undefined;

  constructor(harness: NotifierHarness) {
    this.harness = harness;
    this.limitMs = LIMIT_MS * (harness.patience ?? 1);
  }

  /** Texts that no result and no error may have. */
  get secrets(): readonly string[] {
    return [...(this.harness.secrets ?? []), this.secret];
  }

  /** Returns the notifier of this case. */
  notifier(): Promise<Notifier> {
    this.#notifier ??= Promise.resolve(this.harness.create());
    return this.#notifier;
  }

  /** Closes the notifier, if the case has one that is open. */
  async closeNotifier(): Promise<void> {
    const notifier = await this.#notifier;
    this.#notifier = undefined;
    await this.within("close()", Promise.resolve(notifier?.close?.()));
  }

  /** Starts the destination that accepts everything. */
  async accepting(): Promise<TestDestination> {
    return this.#started(await this.harness.accepting());
  }

  /** Starts the destination that never answers. */
  async hanging(): Promise<TestDestination> {
    assert.ok(this.harness.hanging);
    return this.#started(await this.harness.hanging());
  }

  /** Returns the destination that nobody listens at. */
  async unreachable(): Promise<string> {
    assert.ok(this.harness.unreachable);
    return this.harness.unreachable();
  }

  /** Returns what the schema makes of settings, or its issues. */
  async validate(
    settings: unknown = this.harness.settings ?? {},
  ): Promise<{ readonly value: unknown } | { readonly issues: readonly Issue[] }> {
    const { settings: schema } = await this.notifier();
    const result = await schema["~standard"].validate(settings);
    if (!result.issues) return { value: result.value };
    return {
      issues: result.issues.map(({ message, path = [] }) => ({
        message,
        path: path.map((part) => String(typeof part === "object" ? part.key : part)).join("."),
      })),
    };
  }

  /** Delivers once, and checks what every result must be. */
  async deliver(
    destination: string,
    parts: Partial<NotifierRequestParts<unknown>> = {},
  ): Promise<NotifierResult> {
    const notifier = await this.notifier();
    const result = await this.within(
      "the result",
      notifier.deliver(await this.request(destination, parts)),
    );
    assertResult(result);
    return result;
  }

  /** Makes the request of one attempt. */
  async request(
    destination: string,
    parts: Partial<NotifierRequestParts<unknown>> = {},
  ): Promise<NotifierRequest> {
    const validated = await this.validate();
    assert.ok("value" in validated, "the schema refuses the settings of the harness");
    const { signs } = await this.notifier();
    const secrets = signs ? [this.secret] : [];
    return notifierRequest({ destination, settings: validated.value, secrets, ...parts });
  }

  /** Waits for something, and fails when it takes longer than it can. */
  async within<T>(what: string, promise: Promise<T>, limitMs: number = this.limitMs): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `Waited ${limitMs} ms in vain for ${what}`;
        reject(new assert.AssertionError({ message }));
      }, limitMs);
    });
    try {
      return await Promise.race([promise, limit]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the notifier, if there is one, and then every destination. */
  async end(): Promise<void> {
    try {
      await this.closeNotifier();
    } finally {
      for (const cleanup of this.#cleanups.splice(0)) await cleanup();
    }
  }

  #started(destination: TestDestination): TestDestination {
    this.#cleanups.push(() => destination.close());
    return destination;
  }
}

/** Something that a schema has found wrong. */
interface Issue {
  readonly message: string;
  readonly path: string;
}

function assertResult(result: NotifierResult): void {
  const { ok, retryable, errorClass, error, response, requestHeaders, retryAfterMs } = result;
  assert.equal(typeof ok, "boolean", "ok must be true or false");
  assert.equal(typeof retryable, "boolean", "retryable must be true or false");
  if (!ok) {
    assert.ok(
      errorClass && ERROR_CLASSES.includes(errorClass),
      `a failure must be of a known class, not ${errorClass}`,
    );
    assert.ok(error, "a failure must say in a sentence what went wrong");
  }
  const bytes = Buffer.byteLength(response ?? "");
  assert.ok(
    bytes <= MOST_RESPONSE_BYTES,
    `a response must have ${MOST_RESPONSE_BYTES} bytes at most, not ${bytes}`,
  );
  assert.ok(!response?.includes("\0"), "a response must not have the character U+0000");
  for (const [name, value] of Object.entries(requestHeaders ?? {})) {
    assert.equal(typeof value, "string", `the header ${name} must be a text`);
  }
  if (retryAfterMs !== undefined) {
    assert.ok(
      retryAfterMs >= 0 && Number.isFinite(retryAfterMs),
      "retryAfterMs must be finite, and not negative",
    );
  }
}
