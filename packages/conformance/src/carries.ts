import assert from "node:assert/strict";
import type { Envelope } from "@busbar/core/provider";
import { asJson, consumer } from "./builders.ts";
import type { CaseContext } from "./case-context.ts";

/** Publishes envelopes, and insists that each arrives as it was. */
export async function carries(context: CaseContext, ...sent: readonly Envelope[]): Promise<void> {
  const instance = await context.start();
  const names = [...new Set(sent.map(({ name }) => name))];
  const inbox = await instance.consume(consumer("mail", { events: names }));
  const before = asJson(sent);
  await instance.publish(...sent);
  await inbox.received(sent.length);
  for (const expected of before) {
    const { envelope: received } = inbox.last(expected.id).delivery;
    assert.deepEqual(asJson(received), expected);
    assert.ok(Object.is(typeof received.data, typeof expected.data));
  }
  assert.deepEqual(asJson(sent), before, "the provider changes nothing of what it is given");
}
