import type { Clock } from "@busbar/core/provider";
import { ownerOf } from "../store/keys.ts";
import { isLasting, isReply, isTooLarge, MOST_LOSSES } from "../store/redis-errors.ts";
import type { LateRequest } from "../store/held-job-scripts.ts";
import type { FinishSpec, SettleAnswer, SettleRequest } from "../store/settle-script.ts";
import type { TurnAnswer, TurnRequest } from "../store/turn-script.ts";
import type { Session } from "../registry/session.ts";
import { fitTexts, LARGE_BYTES, largestAbove } from "../store/text-sizes.ts";
import type { JobIds } from "../store/job-ids.ts";
import type { Pauses } from "./pauses.ts";
import { type JobProgress, readTaken, type TakenJob } from "../store/job-data.ts";

/** How often something is tried that Redis refuses for good: somebody may be repairing it. */
const MOST_REFUSALS = 3;
/** Milliseconds before something that Redis did not do is tried again; doubles up to the longest. */
const AGAIN_AFTER_MS = 50;
const AGAIN_AFTER_AT_MOST_MS = 5_000;

const NOTHING: Promise<readonly [string]> = Promise.resolve(["none"]);

/** What the queue adds to each request of its callers. */
type Common =
  | "own"
  | "queue"
  | "id"
  | "token"
  | "worker"
  | "step"
  | "lockDuration"
  | "bounds"
  | "finish";

/** Takes jobs along with answers. */
export interface NextJobs {
  /**
   * How many events the jobs should have that come with an answer: to something else, or to nothing but the
   * request for them. Above 0, one of the others must follow, with that number.
   */
  reserve(alongWithAnswer: boolean): number;
  /**
   * The jobs that came. `emptyUntil`: there are no more that are due before, milliseconds since the epoch;
   * 0 if nothing is delayed.
   */
  arrived(jobs: readonly TakenJob[], reserved: number, emptyUntil?: number): void;
  /** The answer was lost, and perhaps jobs with it. */
  missed(reserved: number): void;
}

/** What is done to the jobs of one queue that this process has in hand. */
export class JobQueue {
  /** Key prefix of the queue, with its last colon. */
  readonly key: string;
  /** The token of this process's locks in this queue. */
  readonly token: string;
  readonly session: Session;
  /** For durations. */
  readonly clock: Clock;
  readonly ids: JobIds;
  readonly #pauses: Pauses;
  readonly #next: NextJobs;
  /** Whose queue it is, if it is one subscription's. */
  readonly #owner: string | undefined;
  /** What is kept of completed jobs, as JSON. */
  readonly #keep: string;
  #deadLetters = 0;
  #steps = 0;
  #roundTripMs = 0;

  constructor(name: string, session: Session, ids: JobIds, pauses: Pauses, next: NextJobs) {
    this.key = session.keys.queue(name);
    this.#owner = ownerOf(name);
    this.token = ids.next(0);
    this.session = session;
    this.clock = session.context.clock;
    this.ids = ids;
    this.#pauses = pauses;
    this.#next = next;
    this.#keep = JSON.stringify(session.options.keepCompleted);
  }

  /** An id that sorts behind those before it: of what died at the same time, the first is listed first. */
  deadLetterId(): string {
    this.#deadLetters += 1;
    return `${this.token}-${this.#deadLetters.toString(36).padStart(7, "0")}`;
  }

  /** Milliseconds since the epoch by the clock of Redis, as far as this process knows. */
  get serverNow(): number {
    return this.session.serverClock.now();
  }

  /** Milliseconds from a request to its answer, of late: much of it is this process's own, while it is busy. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** Takes jobs, if any should be on their way. False: the provider has stopped. */
  async take(): Promise<boolean> {
    const { scripts, options, context } = this.session;
    const answer = await this.#insist<readonly [string, ...unknown[]]>(
      { completes: true, takes: true, isOver: () => false },
      (wanted) => {
        if (wanted === 0) return NOTHING;
        const { lockDurationMs } = options;
        const args = [this.key, this.token, context.instanceId, lockDurationMs, wanted];
        return scripts.take(`${this.key}meta`, args);
      },
    );
    return answer !== undefined;
  }

  /** Completes a pack of which nothing comes again and nothing is dead. */
  async complete(
    { id, data: { body = "" } }: TakenJob,
    isOver: () => boolean,
  ): Promise<SettleAnswer> {
    const { scripts, options, context, keys } = this.session;
    const { lockDurationMs } = options;
    const { instanceId } = context;
    const answer = await this.#insist({ completes: true, isOver }, (wanted) => {
      const finish = [instanceId, this.#keep, lockDurationMs, wanted];
      return scripts.complete(this.key + id, [this.key, id, this.token, ...finish, keys.own, body]);
    });
    return answer ?? ["lost"];
  }

  /** Settles events of a pack, and completes it if that was all, in one step. */
  async settle(
    job: TakenJob,
    request: Omit<SettleRequest, Common>,
    data: readonly string[],
    options: Completion,
  ): Promise<SettleAnswer> {
    if (options.completes && data.length === 0) return this.complete(job, options.isOver);
    const { id } = job;
    const { body } = job.data;
    const { scripts } = this.session;
    const common = this.#commonOf(id);
    let texts = isLarge(data) ? await fitTexts(this.session.link, data) : data;
    const refit = async (why: "refused" | "lost"): Promise<void> => {
      texts = await fitTexts(this.session.link, texts, why);
    };
    const answer = await this.#insist({ ...options, refit }, (wanted) =>
      scripts.settle(
        this.key + id,
        {
          ...common,
          ...request,
          ...(body === undefined ? {} : { body }),
          ...(options.completes ? { finish: this.#finish(wanted) } : {}),
        },
        texts,
      ),
    );
    return answer ?? ["lost"];
  }

  /** Packs of a body by their numbers. Null: it is not there. Undefined: the provider has stopped. */
  async readPacks(
    body: string,
    numbers: readonly number[],
  ): Promise<readonly (string | null)[] | undefined> {
    const { link, keys } = this.session;
    const fields = numbers.map(String);
    const answer = await this.#insist({ completes: false, isOver: () => false }, async () => {
      return ["done", await link.client.hmget(`${keys.own}body:${body}`, ...fields)] as const;
    });
    return answer?.[1];
  }

  /** Replaces the progress of a job. False: it is not ours any more, or that is over. */
  async writeProgress(
    job: TakenJob,
    progress: JobProgress,
    isOver: () => boolean,
  ): Promise<boolean> {
    const request = { progress: JSON.stringify(progress), again: [], dead: [] };
    const [answer] = await this.settle(job, request, [], { completes: false, isOver });
    return answer !== "lost";
  }

  /** Goes on with the turn of a lane, or ends it, in one step. */
  async turn(
    id: string,
    request: Omit<TurnRequest, Common>,
    data: readonly string[],
    options: Completion,
  ): Promise<TurnAnswer> {
    const { scripts } = this.session;
    const common = this.#commonOf(id);
    let texts = isLarge(data) ? await fitTexts(this.session.link, data) : data;
    const refit = async (why: "refused" | "lost"): Promise<void> => {
      texts = await fitTexts(this.session.link, texts, why);
    };
    const answer = await this.#insist({ ...options, refit }, (wanted) =>
      scripts.turn(this.key + id, { ...common, ...request, finish: this.#finish(wanted) }, texts),
    );
    return answer ?? ["lost"];
  }

  /** Moves a delayed delivery that is due into its lane. False: the list of subscriptions has changed. */
  async enterLane(
    id: string,
    lane: Pick<LateRequest, "version" | "place" | "key" | "turn">,
    data: string,
  ): Promise<boolean> {
    const { scripts } = this.session;
    const common = { own: this.session.keys.own, queue: this.key, id, token: this.token };
    const answer = await this.#insist({ completes: true, isOver: () => false }, (wanted) => {
      const finish = this.#finish(wanted);
      return scripts.late(this.key + id, { ...common, ...lane, finish }, data);
    });
    return answer?.[0] !== "stale";
  }

  /** Wakes whoever waits for a job: for whom has taken the marker of one, and does not take the job. */
  async wakeOthers(marker = { member: "0", score: 0 }): Promise<void> {
    const { client, isReady } = this.session.link;
    // Without it they look for jobs every few seconds.
    if (isReady)
      await client.zadd(`${this.key}marker`, marker.score, marker.member).catch(() => {});
  }

  /** Hands a job back as it is. */
  async giveBack(id: string, delayMs: number): Promise<void> {
    const { scripts, options, context } = this.session;
    await this.#insist({ completes: false, isOver: () => false }, async () => {
      const ours = [context.instanceId, options.lockDurationMs];
      const args = [this.key, id, this.token, Math.ceil(delayMs), ...ours];
      return ["done", await scripts.giveBack(this.key + id, args)] as const;
    });
  }

  /** Keeps the locks of jobs in hand. Answers with the ids of those whose locks have ended. */
  renew(ids: readonly string[]): Promise<readonly string[]> {
    const { scripts, options, context } = this.session;
    const args = [this.key, this.token, options.lockDurationMs, context.instanceId, ...ids];
    return scripts.renew(`${this.key}stalled`, args);
  }

  /** Finds what processes that died had in hand, if nobody has looked for a while. */
  async findStalled(): Promise<void> {
    const { scripts, options, keys, registry } = this.session;
    const key = `${this.key}stalled`;
    const args = [this.key, options.stalledCheckMs, keys.own];
    if ((await scripts.findStalled(key, args)) !== 1) return;
    const { records } = await registry.snapshot();
    const names = new Set([...records.values()].flatMap(({ queues }) => queues));
    const queues = new Set([this.key, ...[...names].map((name) => keys.queue(name))]);
    await scripts.findStalled(key, [...args, ...queues]);
  }

  /** Jobs of this process that it does not know of, because an answer was lost. */
  async reclaim(known: readonly string[]): Promise<readonly TakenJob[]> {
    const { scripts, options, context } = this.session;
    const args = [this.key, this.token, options.lockDurationMs, context.instanceId, ...known];
    const found = await scripts.reclaim(`${this.key}active`, args);
    return readTaken(found, this.#owner).jobs;
  }

  /**
   * Does it again while the connection is lost: every script knows what it has done already. Undefined
   * once that is over, or the provider has stopped, or Redis refuses it for good: then the lock ends, and the
   * job comes again. Jobs are asked for again in any case.
   */
  async #insist<T extends readonly [string, ...unknown[]]>(
    { completes, takes = false, isOver, refit }: Insistence,
    send: (wanted: number) => Promise<T>,
  ): Promise<T | undefined> {
    const { link, context } = this.session;
    let delayMs = AGAIN_AFTER_MS;
    let [refusals, losses] = [0, 0];
    do {
      if (link.isReady) {
        const wanted = completes ? this.#next.reserve(!takes) : 0;
        const sentAt = this.clock.monotonic();
        try {
          const answer = await send(wanted);
          this.#roundTripMs = (3 * this.#roundTripMs + this.clock.monotonic() - sentAt) / 4;
          if (wanted > 0) this.#arrived(answer.at(-1), wanted);
          return answer;
        } catch (err) {
          if (wanted > 0) this.#next.missed(wanted);
          if (isTooLarge(err)) await refit?.("refused");
          else if (!isReply(err) && (losses += 1) % MOST_LOSSES === 0) await refit?.("lost");
          if (isLasting(err)) {
            refusals += 1;
            const isLast = !takes && refusals === MOST_REFUSALS;
            context.logger.error(
              { err, queue: this.key },
              isLast
                ? "Redis refuses a step of a delivery for good; it comes again when its lock has ended"
                : "Redis could not do a step of a delivery; will try again",
            );
            if (isLast) return undefined;
          }
        }
        await this.#pauses.pause(delayMs);
        delayMs = Math.min(2 * delayMs, AGAIN_AFTER_AT_MOST_MS);
      }
      try {
        await link.whenReady();
      } catch {
        return undefined;
      }
    } while (!isOver() && !this.#pauses.haveEnded);
    return undefined;
  }

  #arrived(taken: unknown, reserved: number): void {
    const { jobs, dueAt } = readTaken(taken, this.#owner);
    for (const { id, hasLostProgress } of jobs) {
      if (!hasLostProgress) continue;
      this.session.context.logger.error(
        { key: `${this.key}${id}` },
        "What was settled of a job cannot be read: its events are delivered again",
      );
    }
    this.#next.arrived(jobs, reserved, dueAt);
  }

  /** What is the same however often a request is sent: Redis does each step once. */
  #commonOf(id: string): Pick<SettleRequest, Exclude<Common, "finish">> {
    const { keys, options, context } = this.session;
    // A job that comes again is not new to Redis, so all jobs share the count.
    this.#steps += 1;
    return {
      step: this.#steps,
      own: keys.own,
      queue: this.key,
      id,
      token: this.token,
      worker: context.instanceId,
      lockDuration: options.lockDurationMs,
      bounds: {
        max: context.deadLetters.maxPerSubscription,
        maxAge: context.deadLetters.maxAgeMs,
      },
    };
  }

  #finish(wanted: number): FinishSpec {
    const { options, context } = this.session;
    return {
      token: this.token,
      worker: context.instanceId,
      keep: options.keepCompleted,
      lockDuration: options.lockDurationMs,
      wanted,
    };
  }
}

/** How something is asked for again and again. */
interface Insistence extends Completion {
  readonly takes?: boolean;
  /** Redis does not take a text of that size, or the connection was lost several times while it was sent. */
  readonly refit?: (why: "refused" | "lost") => Promise<void>;
}

function isLarge(texts: readonly string[]): boolean {
  return largestAbove(LARGE_BYTES, texts) > 0;
}

/** Whether a call completes its job, and when it is not worth repeating. */
interface Completion {
  readonly completes: boolean;
  readonly isOver: () => boolean;
}
