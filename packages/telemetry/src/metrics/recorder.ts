import type { BusNotices } from "@busbar/core";
import type { Sending } from "@busbar/core/plugin";
import { ATTR, errorType, SYSTEM } from "../attributes.ts";
import type { Failures } from "../failures.ts";
import {
  MEASURED,
  type Metric,
  type MetricAttributes,
  type MetricSink,
  type RecordValue,
} from "./metric.ts";

/** Different event names that metrics tell apart. A name with an id in it would fill the memory of everybody. */
const MOST_NAMES = 1_000;
const OTHER = "(other)";

/** Records what happens in this process. */
export class MetricRecorder {
  readonly #sent;
  readonly #sendDuration;
  readonly #processDuration;
  readonly #lag;
  readonly #dead;
  readonly #released;
  readonly #unrouted;
  readonly #names = new Set<string>();
  /** Whether a plugin keeps groups: a release hands events to it, and a relay sends them later. Set at the start. */
  areGroupsRelayed = false;

  constructor(sink: MetricSink, failures: Failures) {
    const counter = (metric: Metric): RecordValue =>
      guarded(metric, sink.counter(metric), failures);
    const histogram = (metric: Metric): RecordValue =>
      guarded(metric, sink.histogram(metric), failures);
    this.#sent = counter(MEASURED.sent);
    this.#sendDuration = histogram(MEASURED.sendDuration);
    this.#processDuration = histogram(MEASURED.processDuration);
    this.#lag = histogram(MEASURED.lag);
    this.#dead = counter(MEASURED.dead);
    this.#released = counter(MEASURED.released);
    this.#unrouted = counter(MEASURED.unrouted);
  }

  /** Records a send that has ended. Events that are only staged, or left to a relay, are sent later. */
  sent(
    { kind, events }: Sending,
    operation: { readonly name: string; readonly type: string },
    durationMs: number,
    failure: { readonly thrown: unknown } | undefined,
  ): void {
    const shared: MetricAttributes = {
      [ATTR.system]: SYSTEM,
      [ATTR.operationName]: operation.name,
      ...(failure && { [ATTR.errorType]: errorType(failure.thrown) }),
    };
    const counts = this.#countByName(events);
    if (operation.type === "send" && !(kind === "release" && this.areGroupsRelayed)) {
      const isMixed = kind === "emit" && events.some(isGrouped);
      const published = isMixed
        ? this.#countByName(events.filter((event) => !isGrouped(event)))
        : counts;
      for (const [name, count] of published) {
        this.#sent(count, { ...shared, [ATTR.destination]: name });
      }
    }
    const [only] = counts.keys();
    this.#sendDuration(durationMs / 1_000, {
      ...shared,
      [ATTR.operationType]: operation.type,
      ...(counts.size === 1 && only !== undefined && { [ATTR.destination]: only }),
    });
  }

  /** Records a run that was acknowledged, or that failed. */
  ran(notice: BusNotices["delivered"], failure?: { readonly thrown: unknown }): void {
    const { subscriberId, event, attempt, durationMs = 0 } = notice;
    const name = this.#nameOf(event.name);
    const attributes = {
      [ATTR.system]: SYSTEM,
      [ATTR.operationName]: "process",
      [ATTR.destination]: name,
      [ATTR.consumerGroup]: subscriberId,
    };
    this.#processDuration(
      durationMs / 1_000,
      failure ? { ...attributes, [ATTR.errorType]: errorType(failure.thrown) } : attributes,
    );
    const { publishedAt } = event.metadata;
    if (attempt !== 1 || !publishedAt) return;
    const lagMs = Date.now() - durationMs - publishedAt.getTime();
    this.#lag(Math.max(0, lagMs) / 1_000, {
      [ATTR.destination]: name,
      [ATTR.consumerGroup]: subscriberId,
    });
  }

  dead({ subscriberId, event, reason }: BusNotices["dead"]): void {
    this.#dead(1, this.#ofDelivery(subscriberId, event.name, reason));
  }

  released({ subscriberId, event, reason }: BusNotices["released"]): void {
    this.#released(1, this.#ofDelivery(subscriberId, event.name, reason));
  }

  unrouted({ event }: BusNotices["unrouted"]): void {
    this.#unrouted(1, { [ATTR.destination]: this.#nameOf(event.name) });
  }

  #ofDelivery(subscriberId: string, name: string, reason: string): MetricAttributes {
    return {
      [ATTR.destination]: this.#nameOf(name),
      [ATTR.consumerGroup]: subscriberId,
      [ATTR.reason]: reason,
    };
  }

  #countByName(events: Sending["events"]): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const event of events) {
      const name = this.#nameOf(event.name);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  #nameOf(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= MOST_NAMES) return OTHER;
    this.#names.add(name);
    return name;
  }
}

function isGrouped({ metadata }: Sending["events"][number]): boolean {
  return metadata.eventGroupId !== undefined;
}

/** Records values of a metric, and lets a sink that throws or rejects harm nothing else. */
function guarded({ name }: Metric, record: RecordValue, failures: Failures): RecordValue {
  const fail = (err: unknown): void => failures.report(`the metric "${name}"`, err);
  return (value, attributes) => {
    try {
      const recorded: unknown = record(value, attributes);
      if (recorded !== undefined) new Promise((resolve) => resolve(recorded)).catch(fail);
    } catch (err) {
      fail(err);
    }
  };
}
