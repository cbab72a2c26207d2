import { afterEach } from "vitest";
import { consume, type TestConsumer } from "./consumer.ts";

/**
 * Consumers for the tests of a file, closed at the end of each: before what was made for it earlier in the
 * file, as the sessions, and after what was made for it later.
 */
export function useConsumers(): typeof consume {
  const consumers: TestConsumer[] = [];
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.close(0)));
  });
  return async (...args) => {
    const consumer = await consume(...args);
    consumers.push(consumer);
    return consumer;
  };
}
