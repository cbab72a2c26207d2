import { type afterAll, afterEach } from "vitest";
import type { ConsumeSpec, Delivery, Settlement } from "@busbar/core/provider";
import { type Consumers, createConsumers } from "../../src/consume/consumer.ts";
import type { Session } from "../../src/registry/session.ts";
import { consume, type TestConsumer } from "./consumer.ts";

/** Declares a subscription and consumes it. Consumers of one session share what those of a provider do. */
export type Consume = (
  session: Session,
  spec: Partial<ConsumeSpec>,
  decide?: (delivery: Delivery, nth: number) => Settlement | Promise<Settlement>,
) => Promise<TestConsumer>;

/**
 * Consumers for the tests of a file, closed at the end of each: before what was made for it earlier in the
 * file, as the sessions, and after what was made for it later.
 *
 * @param closeAfter When they are closed: `afterAll` where the tests of the file run at the same time.
 */
export function useConsumers(closeAfter: typeof afterEach | typeof afterAll = afterEach): Consume {
  const consumers: TestConsumer[] = [];
  const bySession = new WeakMap<Session, Consumers>();
  closeAfter(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.close(0)));
  });
  return async (session, ...args) => {
    const shared = bySession.get(session) ?? createConsumers(session);
    bySession.set(session, shared);
    const consumer = await consume(session, shared, ...args);
    consumers.push(consumer);
    return consumer;
  };
}
