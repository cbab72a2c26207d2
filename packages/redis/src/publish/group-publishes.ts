import type { Envelope, PublishOptions, PublishResult } from "@busbar/core/provider";
import { isReply } from "../store/redis-errors.ts";
import type { GroupRelease } from "../store/publish-script.ts";

/** Groups in one publish may have that many events together. A group that has more leaves alone. */
const MOST_EVENTS = 1_000;

/**
 * Publishes envelopes that leave their group in the same step. Groups that wait for each other leave together.
 * Undefined: the group may not be released so, and nothing was done.
 */
export type PublishGroup = (
  release: GroupRelease,
  envelopes: readonly Envelope[],
  options: PublishOptions,
) => Promise<readonly PublishResult[] | undefined>;

/** Some groups of a publish may not be released as it says: nothing was done. */
export class Unclaimed extends Error {
  /** Their positions, from 1. */
  readonly groups: readonly number[];

  constructor(groups: readonly number[]) {
    super("The claim on a group has ended, or it holds other events");
    this.groups = groups;
  }
}

/** Several groups together are more than one request should add: nothing was done. */
export class TooManyJobs extends Error {}

/** Taken once: a test that replaces the timers of Node may replace this, and would stop every release. */
const nextTick = process.nextTick.bind(process);

interface Waiting {
  readonly release: GroupRelease;
  readonly envelopes: readonly Envelope[];
  readonly deadline: number;
  readonly resolve: (results: readonly PublishResult[] | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Publishes groups, and those that wait for their turn together.
 *
 * @param inTurn Runs a publish once those before it have ended.
 * @param send Publishes envelopes in one step with their groups.
 */
export function createGroupPublishes(
  inTurn: <T>(publish: () => Promise<T>) => Promise<T>,
  send: (
    envelopes: readonly Envelope[],
    deadline: number,
    groups: readonly GroupRelease[],
  ) => Promise<readonly PublishResult[]>,
): PublishGroup {
  const waiting: Waiting[] = [];

  /** The first of those that wait, and as many more as leave with it. */
  function takeSome(): readonly Waiting[] {
    let events = 0;
    const end = waiting.findIndex(({ envelopes }, index) => {
      events += envelopes.length;
      return index > 0 && events > MOST_EVENTS;
    });
    return waiting.splice(0, end === -1 ? waiting.length : end);
  }

  /**
   * What is released in one turn of the event loop leaves together: were the first to leave alone, the others
   * would wait for its answer, which takes a turn of a busy loop. Callers whose release has just ended may
   * release again in this turn.
   */
  async function sendSome(): Promise<void> {
    await new Promise<void>((resolve) => nextTick(resolve));
    const some = takeSome();
    if (waiting.length > 0) void inTurn(sendSome);
    if (some.length > 0) await sendTogether(some);
  }

  async function sendTogether(some: readonly Waiting[]): Promise<void> {
    const envelopes = some.flatMap((it) => it.envelopes);
    const deadline = Math.min(...some.map((it) => it.deadline));
    try {
      const groups = some.map(({ release }) => release);
      const results = await send(envelopes, deadline, groups);
      if (some.length > 1 && results.some(isForGood)) {
        await sendEach(some);
        return;
      }
      let from = 0;
      for (const { envelopes: own, resolve } of some) {
        resolve(results.slice(from, from + own.length));
        from += own.length;
      }
    } catch (error) {
      await sendApart(some, error);
    }
  }

  /** What is wrong with one is not the others' fault. An answer that was lost may be that of all. */
  async function sendApart(some: readonly Waiting[], error: unknown): Promise<void> {
    if (error instanceof Unclaimed) {
      for (const position of error.groups) some[position - 1]?.resolve(undefined);
      const others = some.filter((_, index) => !error.groups.includes(index + 1));
      if (others.length > 0) await sendTogether(others);
    } else if (some.length > 1 && (isReply(error) || error instanceof TooManyJobs)) {
      await sendEach(some);
    } else {
      for (const { reject } of some) reject(error);
    }
  }

  async function sendEach(some: readonly Waiting[]): Promise<void> {
    for (const one of some) await sendTogether([one]);
  }

  return (release, envelopes, { deadline }) =>
    new Promise((resolve, reject) => {
      waiting.push({ release, envelopes, deadline, resolve, reject });
      if (waiting.length === 1) void inTurn(sendSome);
    });
}

/** Whether a publish was refused, which is all or nothing, and would be again. */
function isForGood(result: PublishResult): boolean {
  return result.status === "rejected" && result.retryable !== true;
}
