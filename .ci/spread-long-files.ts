import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The test files that take longest, the longest first. Most of the time they wait. */
const LONGEST = [
  "outbox/test/crash.integration",
  "conformance/test/bites-durable",
  "redis/test/conformance",
  "custom-module/test/conformance",
  "dashboard/test/browser/webhooks",
  "redis/test/faults",
  "redis/test/soak",
  "dashboard/test/browser/dead-letters",
  "conformance/test/broker",
  "conformance/test/bites-parts",
  "dashboard/test/browser/subscriptions",
  "outbox/test/frozen.integration",
  "redis/test/consume-crash",
];

/** The share of all other files before which the last long one begins. */
const SPREAD = 0.6;

/**
 * Begins one long test file at a time, and the last one in time to end with the short ones. So files that wait run
 * next to files that compute, and no long file runs alone at the end.
 */
export class SpreadLongFiles extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number =>
      LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
    const long = sorted.filter((file) => rank(file) >= 0).toSorted((a, b) => rank(a) - rank(b));
    const others = sorted.filter((file) => rank(file) < 0);
    if (long.length === 0) return others;
    const step = (others.length * SPREAD) / long.length;
    return long.flatMap((file, index) => {
      const end = index === long.length - 1 ? others.length : Math.round((index + 1) * step);
      return [file, ...others.slice(Math.round(index * step), end)];
    });
  }
}
