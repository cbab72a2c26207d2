import { ATTR } from "../attributes.ts";

/** Describes a metric, in the terms of OpenTelemetry. */
export interface Metric {
  /** The dotted name. */
  readonly name: string;
  /** A UCUM unit: `s`, or what is counted, in braces. */
  readonly unit: string;
  /** One sentence for those who see the metric in a list. */
  readonly description: string;
  /** The names of all attributes that a value may have. */
  readonly attributes: readonly string[];
  /** The upper bounds of the buckets of a histogram, in its unit. */
  readonly buckets?: readonly number[] | undefined;
}

/** The attributes of one value of a metric. */
export type MetricAttributes = Readonly<Record<string, string>>;

/** The value of a gauge at the time of a collection. */
export interface Observation {
  /** The metric of the value. */
  readonly gauge: Metric;
  /** The value, in the unit of the metric. */
  readonly value: number;
  /** The attributes of the value. */
  readonly attributes: MetricAttributes;
}

/** Where metrics go: to the meter of OpenTelemetry, or to a Prometheus endpoint. */
export interface MetricSink {
  /** Returns a function that adds to a counter. */
  counter(metric: Metric): RecordValue;
  /** Returns a function that adds a value to a histogram. */
  histogram(metric: Metric): RecordValue;
  /**
   * Calls `collect` once for each collection, for the values of all gauges. Returns a function that ends it.
   *
   * @param gauges The gauges that `collect` may return values of.
   */
  observe(gauges: readonly Metric[], collect: () => Promise<readonly Observation[]>): () => void;
}

/** Records one value. */
export type RecordValue = (value: number, attributes: MetricAttributes) => void;

/** Seconds, from those of a handler in memory to those of a slow call to another service. */
const DURATIONS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
/** Seconds, up to a backlog of hours. */
const LAGS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600,
];

/** What is counted and measured as it happens, in this process. */
export const MEASURED: Readonly<
  Record<
    "sent" | "sendDuration" | "processDuration" | "lag" | "dead" | "released" | "unrouted",
    Metric
  >
> = {
  sent: {
    name: "messaging.client.sent.messages",
    unit: "{message}",
    description:
      "Events that this process has sent: emitted, released with their group, or relayed.",
    attributes: [ATTR.system, ATTR.operationName, ATTR.destination, ATTR.errorType],
  },
  sendDuration: {
    name: "messaging.client.operation.duration",
    unit: "s",
    description: "How long a send took, until the provider had accepted its events.",
    attributes: [
      ATTR.system,
      ATTR.operationName,
      ATTR.operationType,
      ATTR.destination,
      ATTR.errorType,
    ],
    buckets: DURATIONS,
  },
  processDuration: {
    name: "messaging.process.duration",
    unit: "s",
    description: "How long a run of a subscription took. Its count is the number of runs.",
    attributes: [
      ATTR.system,
      ATTR.operationName,
      ATTR.destination,
      ATTR.consumerGroup,
      ATTR.errorType,
    ],
    buckets: DURATIONS,
  },
  lag: {
    name: "busbar.delivery.lag",
    unit: "s",
    description: "The time from the publish of an event to the first run of a delivery.",
    attributes: [ATTR.destination, ATTR.consumerGroup],
    buckets: LAGS,
  },
  dead: {
    name: "busbar.deliveries.dead",
    unit: "{delivery}",
    description: "Deliveries that became dead letters in this process.",
    attributes: [ATTR.destination, ATTR.consumerGroup, ATTR.reason],
  },
  released: {
    name: "busbar.deliveries.released",
    unit: "{delivery}",
    description: "Deliveries that this process gave back, uncounted.",
    attributes: [ATTR.destination, ATTR.consumerGroup, ATTR.reason],
  },
  unrouted: {
    name: "busbar.events.unrouted",
    unit: "{event}",
    description: "Events that this process has sent and that no subscription wants.",
    attributes: [ATTR.destination],
  },
};

const ofSubscription = (name: string, unit: string, description: string): Metric => ({
  name: `busbar.subscription.${name}`,
  unit,
  description,
  attributes: [ATTR.bus, ATTR.scope, ATTR.consumerGroup],
});

const ofBus = (name: string, unit: string, description: string, ...more: string[]): Metric => ({
  name: `busbar.${name}`,
  unit,
  description,
  attributes: [ATTR.bus, ATTR.scope, ...more],
});

type ObservedName =
  | "ready"
  | "delayed"
  | "inFlight"
  | "deadLetters"
  | "oldest"
  | "orphaned"
  | "paused"
  | "withheld"
  | "groups"
  | "health"
  | "outbox"
  | "outboxOldest"
  | "webhooks"
  | "webhooksOldest"
  | "webhookSubscriptions"
  | "breakersOpen";

/** What is looked up at each collection. */
export const OBSERVED: Readonly<Record<ObservedName, Metric>> = {
  ready: ofSubscription("ready", "{delivery}", "Deliveries that could run now."),
  delayed: ofSubscription("delayed", "{delivery}", "Deliveries whose time has not come."),
  inFlight: ofSubscription("in_flight", "{delivery}", "Deliveries that are running."),
  deadLetters: ofSubscription("dead_letters", "{delivery}", "Dead letters that are kept."),
  oldest: ofSubscription("oldest.age", "s", "The age of the oldest waiting delivery."),
  orphaned: ofSubscription("orphaned", "{subscription}", "1 if no process declares it, else 0."),
  paused: ofSubscription("paused", "{subscription}", "1 if this process has paused it, else 0."),
  withheld: ofSubscription("withheld", "{event}", "Events that it did not get as an orphan."),
  groups: ofBus("event_groups", "{group}", "Groups that are neither released nor cleared."),
  health: ofBus(
    "health",
    "{status}",
    "1 for the status that the bus has in this process, 0 for the others.",
    ATTR.state,
  ),
  outbox: ofBus("outbox.events", "{event}", "Events in the outbox.", ATTR.state),
  outboxOldest: ofBus("outbox.oldest.age", "s", "The age of the oldest pending event."),
  webhooks: ofBus("webhooks.deliveries", "{delivery}", "Webhook deliveries.", ATTR.state),
  webhooksOldest: ofBus("webhooks.oldest.age", "s", "How long the oldest due delivery waits."),
  webhookSubscriptions: ofBus(
    "webhooks.subscriptions",
    "{subscription}",
    "Webhook subscriptions.",
    ATTR.state,
  ),
  breakersOpen: ofBus(
    "webhooks.breakers_open",
    "{endpoint}",
    "Endpoints that get no attempts, because too many have failed in a row.",
  ),
};
