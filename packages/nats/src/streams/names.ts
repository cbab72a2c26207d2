import { createHash } from "node:crypto";

/** The most characters of a bus's name that its streams are named after as it is. */
const MOST_CHARACTERS = 64;

/** The names that a bus has in NATS. */
export interface Names {
  /** The stream of a partition. */
  stream(partition: number): string;
  /** All subjects of a partition. */
  subjectsOf(partition: number): string;
  /**
   * The subject of an event. Its tokens say which queues get the event, one token for each slot, so that NATS finds them by
   * the filters of the consumers.
   */
  eventSubject(partition: number, slots: readonly number[]): string;
  /** The subjects of the events that go to the queue with a slot. */
  filterOf(partition: number, slot: number): string;
  /** The durable consumer of a queue. */
  consumer(queue: number): string;
  readonly deadStream: string;
  /** All subjects of dead letters. */
  readonly deadSubjects: string;
  /** The subject of the dead letters of a queue. */
  deadSubject(queue: number): string;
  /** The stream of what the bus remembers: its list, and the states of retries. */
  readonly recordStream: string;
  readonly recordSubjects: string;
  readonly listSubject: string;
  readonly clockSubject: string;
  /** The subject of a deduplication id of a queue that was given up. */
  givenUpSubject(queue: number, hash: string): string;
  /** The subject of what a delivery brings along: the message with the number in the stream of the partition. */
  historySubject(queue: number, partition: number, sequence: number | "*"): string;
}

/** Makes the names under a prefix. */
export function createNames(prefix: string): Names {
  return {
    stream: (partition) => `${prefix}-${partition}`,
    subjectsOf: (partition) => `${prefix}.e.${partition}.>`,
    eventSubject(partition, slots) {
      const tokens = Array.from({ length: Math.max(...slots) + 1 }, () => "0");
      for (const slot of slots) tokens[slot] = "1";
      return `${prefix}.e.${partition}.${tokens.join(".")}.e`;
    },
    filterOf: (partition, slot) => `${prefix}.e.${partition}.${"*.".repeat(slot)}1.>`,
    consumer: (queue) => `q${queue}`,
    deadStream: `${prefix}-dead`,
    deadSubjects: `${prefix}.dead.*`,
    deadSubject: (queue) => `${prefix}.dead.${queue}`,
    recordStream: `${prefix}-records`,
    recordSubjects: `${prefix}.records.>`,
    listSubject: `${prefix}.records.list`,
    clockSubject: `${prefix}.records.clock`,
    givenUpSubject: (queue, hash) => `${prefix}.records.given-up.${queue}.${hash}`,
    historySubject: (queue, partition, sequence) =>
      `${prefix}.records.history.${queue}.${partition}.${sequence}`,
  };
}

/** The prefix of a bus that is given none. */
export function prefixOf(namespace: string): string {
  if (/^[\w-]+$/.test(namespace) && namespace.length <= MOST_CHARACTERS) {
    return `busbar-${namespace}`;
  }
  const hash = createHash("sha256").update(namespace).digest("hex").slice(0, 16);
  const readable = namespace.replaceAll(/[^\w-]/g, "_").slice(0, MOST_CHARACTERS);
  return `busbar-${readable}-${hash}`;
}
