import type { Envelope, JsonValue } from "@busbar/core/provider";
import {
  type BodyReference,
  eventsReferredTo,
  isRange,
  isReference,
  numbersIn,
  type Range,
  rangesOf,
} from "./body-reference.ts";
import { isEnvelope, readJobData } from "./stored-events.ts";

/** The priority of what has none, and of whatever is kept in order. */
export const NORMAL_PRIORITY = 100;

/**
 * The data of a job: a pack of events, or where several are stored, one delivery with its history, or the
 * turn of a lane.
 */
export interface JobData extends Partial<BodyReference> {
  readonly subscription: string;
  /** Absent, and no body: this is a turn, and the events are in the lane. */
  readonly events?: readonly Envelope[];
  /** Of a turn: its lane. With events: the lane that the one event enters, now that it is due. */
  readonly key?: string;
  readonly state?: JsonValue;
  readonly crashes?: number;
  /** A process died with it in hand. */
  readonly suspect?: true;
  /** Of a suspect: see {@link JobProgress.trusted}. */
  readonly trusted?: number;
  /** Of a pack of a body: a process died with it in hand, and its events are to be suspects. */
  readonly crashed?: true;
}

/** What a delivery that is a job of its own has behind it. */
export type History = Pick<JobData, "state" | "crashes" | "suspect" | "trusted">;

/** What is known of a job's deliveries after a crash: the job's progress. */
export interface JobProgress {
  /** Positions of settled events, and `[first, last]` of several in a row. */
  readonly settled?: readonly Range[];
  /** Of a delivery alone, or of the head of a lane: of how many hand-overs it is known that a crash is its own. */
  readonly handovers?: number;
  /** Of a suspect: in how many crashes it had run for so long that others had been let start beside it. */
  readonly trusted?: number;
}

/** A job that this process has taken: it holds the lock. */
export interface TakenJob {
  readonly id: string;
  readonly name: string;
  readonly priority: number;
  /** The data as it is stored. Handlers may change the events of `data`, but not this. */
  readonly text: string;
  readonly data: JobData;
  /** How many events it has; 0 of a turn. */
  readonly size: number;
  readonly progress: JobProgress;
  /** How many times its holder's lock had ended. */
  readonly stalled: number;
  /** What is the matter with its data, if anything: then `data` holds what can be read of it. */
  readonly problem?: string | undefined;
  /** What was settled of it cannot be read: it comes again. */
  readonly hasLostProgress?: true;
}

/** What a script has taken. */
export interface Taken {
  readonly jobs: readonly TakenJob[];
  /** When the next job is due, if there was one less than wanted: 0 if none is delayed. */
  readonly dueAt: number | undefined;
}

/**
 * Reads answers of BullMQ's moveToFinished: a job each, or when the next one is due.
 *
 * @param owner Whose job it is if it does not say so: the queue's.
 */
export function readTaken(answers: unknown, owner: string | undefined): Taken {
  const jobs: TakenJob[] = [];
  let dueAt: number | undefined;
  for (const answer of Array.isArray(answers) ? (answers as readonly unknown[]) : []) {
    dueAt = undefined;
    if (answer === 0) dueAt = 0;
    if (!Array.isArray(answer)) continue;
    const [fields, id, , next] = answer as readonly unknown[];
    if (Array.isArray(fields)) jobs.push(readJob(fields, String(id), owner));
    else if (answer.length === 4 && typeof next === "number") dueAt = Math.max(next, 0);
  }
  return { jobs, dueAt };
}

function readJob(fields: readonly unknown[], id: string, owner: string | undefined): TakenJob {
  let [name, text, progress] = ["", "", ""];
  let [priority, stalled] = [0, 0];
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1] as string;
    switch (fields[at]) {
      case "name":
        name = value;
        break;
      case "data":
        text = value;
        break;
      case "progress":
        progress = value;
        break;
      case "priority":
        priority = Number(value);
        break;
      case "stc":
        stalled = Number(value);
        break;
      default:
    }
  }
  const { data, problem } = readData(text);
  const known = readProgress(progress);
  return {
    id,
    name,
    priority,
    text,
    data: { ...data, subscription: data.subscription ?? owner ?? "" },
    size: data.events?.length ?? (hasBody(data) ? eventsReferredTo(data) : 0),
    progress: known ?? {},
    stalled,
    ...(problem === undefined ? {} : { problem }),
    ...(known ? {} : { hasLostProgress: true }),
  };
}

/** The data of a job or a lane entry, and what is the matter with it. Nothing of the text stands in that. */
export function readData(text: string): {
  readonly data: Partial<JobData>;
  readonly problem?: string;
} {
  if (text === "") return { data: {}, problem: "has no data" };
  let data: Partial<JobData> | null;
  try {
    data = readJobData<Partial<JobData>>(text);
  } catch {
    return { data: {}, problem: "is no JSON of a job" };
  }
  if (typeof data !== "object" || data === null) return { data: {}, problem: "is no JSON object" };
  const { subscription, events, key, body } = data;
  if (subscription !== undefined && typeof subscription !== "string") {
    return { data: {}, problem: "has a subscription that is no text" };
  }
  if (key !== undefined && typeof key !== "string") {
    return { data: {}, problem: "has a key that is no text" };
  }
  if (body !== undefined) {
    return isReference(data) ? { data } : { data: {}, problem: "refers to no packs of a body" };
  }
  if (events === undefined) {
    return key === undefined ? { data: {}, problem: "has neither events nor a key" } : { data };
  }
  if (!Array.isArray(events) || events.length === 0) return { data: {}, problem: "has no events" };
  const spoilt = events.findIndex((event) => !isEnvelope(event));
  if (spoilt === -1) return { data };
  return { data, problem: `has an event that is none, at position ${spoilt}` };
}

/** Whether a job's events are stored apart from it. */
export function hasBody<T extends Partial<BodyReference>>(data: T): data is T & BodyReference {
  return data.body !== undefined;
}

/** The data of a job or a lane entry of some events, each given as JSON. */
export function writeData(
  subscription: string,
  events: readonly string[],
  history: History = {},
): string {
  const head = `{"subscription":${JSON.stringify(subscription)},"events":[${events.join(",")}]`;
  return `${head}${writeHistory(history)}}`;
}

function writeHistory({ state, crashes = 0, suspect, trusted = 0 }: History): string {
  return `${state === undefined ? "" : `,"state":${JSON.stringify(state)}`}${
    crashes > 0 ? `,"crashes":${crashes}` : ""
  }${suspect ? ',"suspect":true' : ""}${trusted > 0 ? `,"trusted":${trusted}` : ""}`;
}

/** The data of a job whose events are stored in a body. */
export function writeReference(
  subscription: string,
  reference: BodyReference,
  { crashed, ...history }: History & Pick<JobData, "crashed"> = {},
): string {
  const head = JSON.stringify({ subscription, ...reference, crashed }).slice(0, -1);
  return `${head}${writeHistory(history)}}`;
}

/** What a delivery alone has behind it, with the crashes that its job tells of. */
export function historyOf({ data, size, progress, stalled }: TakenJob): History {
  const { state, crashes = 0, suspect } = data;
  if (size !== 1) return {};
  const trusted = progress.trusted ?? data.trusted;
  return {
    ...(state === undefined ? {} : { state }),
    crashes: crashes + handoversOf({ data, progress, stalled }),
    ...(suspect || stalled > 0 ? { suspect: true } : {}),
    ...(trusted === undefined ? {} : { trusted }),
  };
}

/** A suspect that nobody wrote down to be handed over was not; another that stalled was running. */
export function handoversOf({
  data,
  progress,
  stalled,
}: Pick<TakenJob, "data" | "progress" | "stalled">): number {
  return progress.handovers ?? (stalled > 0 && !data.suspect ? 1 : 0);
}

/** The progress of a job: empty until one of ours is written. Undefined if it cannot be read. */
export function readProgress(text: string | null | undefined): JobProgress | undefined {
  if (!text?.startsWith("{")) return {};
  try {
    const progress = JSON.parse(text) as JobProgress;
    const { settled = [], handovers = 0, trusted = 0 } = progress;
    const isOurs = settled.every(isRange) && Number.isInteger(handovers + trusted);
    return isOurs ? progress : undefined;
  } catch {
    return undefined;
  }
}

/** The progress of a job of several events, by the positions of those that are settled. */
export function writeProgress(settled: readonly number[]): string {
  return JSON.stringify({ settled: rangesOf(settled) } satisfies JobProgress);
}

/** Positions of the events that a job's progress calls settled. */
export function settledIn({ settled = [] }: JobProgress): Generator<number> {
  return numbersIn(settled);
}
