import { assertOptions, checks } from "@busbar/core/provider";
import { type NotifierCase, notifierCases } from "./notifier-cases.ts";
import { NotifierContext } from "./notifier-context.ts";
import type { NotifierHarness, NotifierTestFunction } from "./notifier-harness.ts";

/**
 * Registers, as a test each, what every notifier owes: payloads arrive whole and under the same id over all attempts,
 * faults are told in classes, attempts end when they must, nothing secret is shown, and nothing stays open.
 *
 * @param test `test` of vitest or of `node:test`.
 * @throws TypeError when the harness lacks something.
 *
 * @example
 * ```ts
 * import { testNotifier } from "@busbar/webhooks/testing";
 * import { test } from "vitest";
 * testNotifier(test, {
 *   create: () => queueNotifier(),
 *   accepting: () => startQueue(),
 *   badSettings: [{ settings: { queue: 1 }, path: "queue" }],
 *   badDestinations: ["https://shop.example"],
 * });
 * ```
 */
export function testNotifier<Settings>(
  test: NotifierTestFunction,
  harness: NotifierHarness<Settings>,
): void {
  if (typeof test !== "function") {
    throw new TypeError(
      "testNotifier() needs the function that registers a test, such as vitest's test",
    );
  }
  assertOptions<NotifierHarness<Settings>>(
    "testNotifier()",
    harness,
    {
      create: checks.function,
      accepting: checks.function,
      settings: checks.object,
      secrets: checks.texts,
      badSettings: checks.anything,
      badDestinations: checks.texts,
      unreachable: checks.function,
      hanging: checks.function,
      patience: checks.positive,
    },
    {
      create: "such as () => queueNotifier()",
      accepting: "which starts a destination",
      badSettings: 'such as [{ settings: { queue: 1 }, path: "queue" }]',
      badDestinations: 'such as ["https://shop.example"]',
    },
  );
  const subject = harness as NotifierHarness;
  for (const it of notifierCases) {
    const reason = it.skip?.(subject);
    const name = `${it.name}${reason === undefined ? "" : ` (skipped: ${reason})`}`;
    const options = { skip: reason !== undefined, timeout: 30_000 * (harness.patience ?? 1) };
    test(name, options, () => runNotifierCase(it, subject));
  }
}

/** Runs one case on a notifier of its own, and closes what it has opened, whatever becomes of it. */
export async function runNotifierCase(it: NotifierCase, harness: NotifierHarness): Promise<void> {
  const context = new NotifierContext(harness);
  let failure: unknown;
  try {
    await it.run(context);
  } catch (error) {
    if (error instanceof Error) error.message = `[${it.id}] ${error.message}`;
    failure = error;
  }
  try {
    await context.end();
  } catch (error) {
    failure ??= error;
  }
  if (failure !== undefined) throw failure;
}
