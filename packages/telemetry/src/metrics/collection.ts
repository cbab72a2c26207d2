import type { BusInspection } from "@busbar/core";
import { ATTR } from "../attributes.ts";
import type { Failures } from "../failures.ts";
import { type Metric, type MetricAttributes, OBSERVED, type Observation } from "./metric.ts";
import {
  ageSeconds,
  type InspectableBus,
  type InspectableOutbox,
  type InspectableWebhooks,
  withinTime,
} from "./sources.ts";

/** Milliseconds after which a collection goes on without an answer. */
const ANSWER_WITHIN_MS = 5_000;

/** What a {@link collectFrom} asks. */
export interface CollectionSources {
  readonly bus: InspectableBus;
  readonly outbox: InspectableOutbox | undefined;
  readonly webhooks: InspectableWebhooks | undefined;
  /** Whether gauges are of all processes, and the same in each. */
  readonly isShared: boolean;
  readonly failures: Failures;
}

/**
 * Asks a bus, its outbox and its webhooks once, each for all of its gauges. What does not answer is left out of this
 * collection.
 */
export async function collectFrom(sources: CollectionSources): Promise<readonly Observation[]> {
  const { bus, outbox, webhooks, isShared, failures } = sources;
  const ask = async <T>(what: string, look: () => Promise<T>): Promise<T | undefined> => {
    try {
      const answer = await withinTime(look(), ANSWER_WITHIN_MS);
      failures.forget(what);
      return answer;
    } catch (err) {
      failures.report(what, err);
      return undefined;
    }
  };
  const [inspection, health, inOutbox, ofWebhooks] = await Promise.all([
    ask("the numbers of the bus", () => bus.inspect({ instances: false })),
    ask("the health of the bus", () => bus.health()),
    outbox && ask("the outbox", () => outbox.inspect()),
    webhooks && ask("webhooks", () => webhooks.inspect()),
  ]);
  const observations: Observation[] = [];
  const name = inspection?.name ?? "";
  const here: MetricAttributes = { [ATTR.bus]: name, [ATTR.scope]: "process" };
  const all: MetricAttributes = isShared ? { [ATTR.bus]: name, [ATTR.scope]: "system" } : here;
  // A database is shared, also by buses in memory.
  const stored: MetricAttributes = { [ATTR.bus]: name, [ATTR.scope]: "system" };
  const add = (gauge: Metric, value: number, attributes: MetricAttributes): void =>
    void observations.push({ gauge, value, attributes });
  const addStates = (
    gauge: Metric,
    states: Readonly<Record<string, number>>,
    attributes: MetricAttributes,
  ): void => {
    for (const [state, value] of Object.entries(states)) {
      add(gauge, value, { ...attributes, [ATTR.state]: state });
    }
  };
  if (inspection) addSubscriptions(inspection, add, all, here);
  if (health) {
    const { status } = health;
    const is = (one: string): number => Number(status === one);
    addStates(OBSERVED.health, { up: is("up"), degraded: is("degraded"), down: is("down") }, here);
  }
  if (inOutbox) {
    const { pending, delayed, staged, failed, oldestAt } = inOutbox;
    addStates(OBSERVED.outbox, { pending, delayed, staged, failed }, stored);
    add(OBSERVED.outboxOldest, ageSeconds(oldestAt), stored);
  }
  if (ofWebhooks) {
    const { waiting, running, dead, enabled, disabled, open, oldestDueAt } = ofWebhooks;
    addStates(OBSERVED.webhooks, { waiting, running, dead }, stored);
    addStates(OBSERVED.webhookSubscriptions, { enabled, disabled }, stored);
    add(OBSERVED.webhooksOldest, ageSeconds(oldestDueAt), stored);
    add(OBSERVED.breakersOpen, open, stored);
  }
  return observations;
}

function addSubscriptions(
  { subscriptions, groups }: BusInspection,
  add: (gauge: Metric, value: number, attributes: MetricAttributes) => void,
  all: MetricAttributes,
  here: MetricAttributes,
): void {
  for (const subscription of subscriptions) {
    const { subscriberId } = subscription;
    const attributes = { ...all, [ATTR.consumerGroup]: subscriberId };
    add(OBSERVED.ready, subscription.ready, attributes);
    add(OBSERVED.delayed, subscription.delayed, attributes);
    add(OBSERVED.inFlight, subscription.inFlight, attributes);
    add(OBSERVED.deadLetters, subscription.dead, attributes);
    add(OBSERVED.oldest, ageSeconds(subscription.oldestAt), attributes);
    add(OBSERVED.orphaned, Number(subscription.orphaned), attributes);
    add(OBSERVED.withheld, subscription.withheld, attributes);
    if (!subscription.here) continue;
    const ofProcess = { ...here, [ATTR.consumerGroup]: subscriberId };
    add(OBSERVED.paused, Number(subscription.paused), ofProcess);
  }
  add(OBSERVED.groups, groups.length, all);
}
