import { setImmediate } from "node:timers";
import { Worker } from "bullmq";
import type { Session } from "../registry/session.ts";
import type { JobQueue } from "./job-queue.ts";
import type { OneATurn } from "./event-loop.ts";
import { Pauses } from "./pauses.ts";
import type { ProcessShare } from "./process-share.ts";

/** Milliseconds before a wait for a job that failed is tried again. */
const AGAIN_AFTER_MS = 100;

/**
 * Milliseconds by which a process lets others go first that may have code for what it has handed back for
 * later, and for how long after that it does so.
 */
const MAKES_WAY_MS = 25;
const MAKES_WAY_FOR_MS = 1_000;

/** BullMQ's default, in seconds. */
const DRAIN_DELAY = 5;

/** What a source of jobs asks of who reads them. */
export interface SourceReader {
  /** Whether another job should be fetched. */
  wantsMore(): boolean;
  /** Sends, at once, for the locks of what is in hand to be kept. */
  renew(): void;
}

/** Fetches the jobs of one queue, waits for them, and finds those of processes that died. */
export class JobSource {
  readonly #name: string;
  readonly #session: Session;
  readonly #queue: JobQueue;
  readonly #reader: SourceReader;
  readonly #workerTurns: OneATurn;
  readonly #pauses: Pauses;
  /** Made when there is no job for the first time: to make it takes as long as to handle many. */
  #worker: Worker | undefined;
  #fetching: Promise<void> | undefined;
  #wakes = false;
  /** The queue had no job, and none is due before: milliseconds since the epoch, by the clock of Redis, or 0. */
  #emptyUntil: number | undefined;
  /** Taken from the queue's marker: nobody else is woken by it. */
  #marker: { readonly member: string; readonly score: number } | undefined;
  #makesWayUntil = 0;
  #closing: Promise<void> | undefined;
  /** The provider has stopped before its consumers were closed. */
  #isStopped = false;

  constructor(
    name: string,
    { session, workerTurns }: Pick<ProcessShare, "session" | "workerTurns">,
    queue: JobQueue,
    reader: SourceReader,
  ) {
    this.#name = name;
    this.#session = session;
    this.#queue = queue;
    this.#reader = reader;
    this.#workerTurns = workerTurns;
    this.#pauses = new Pauses(session.context.clock);
    void this.#findStalled();
  }

  /** An answer has brought a job, or says for how long there is none. */
  answered(emptyUntil: number | undefined): void {
    this.#emptyUntil = emptyUntil;
  }

  /**
   * Another job may be wanted. Looked at when all that ends now has ended: a pack that is over by then
   * brings the next job along with its own settlement.
   */
  wake(): void {
    if (this.#wakes || this.#fetching || this.#closing) return;
    this.#wakes = true;
    setImmediate(() => {
      this.#wakes = false;
      if (this.#fetching || !this.#goesOn()) return;
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined;
        this.wake();
      });
    });
  }

  /** Something has been handed back for that long: perhaps this process has no code for it. */
  makeWay(delayMs: number): void {
    this.#makesWayUntil = this.#queue.clock.monotonic() + delayMs + MAKES_WAY_FOR_MS;
  }

  /** Resolves once no fetch is under way. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#pauses.end();
    // Ends a wait for a job: BullMQ gives up its connection for that.
    await this.#worker?.close(true).catch(() => {});
    await this.#fetching;
    void this.#queue.wakeOthers();
  }

  #goesOn(): boolean {
    return !this.#closing && !this.#isStopped && this.#reader.wantsMore();
  }

  #createWorker(): Worker {
    const { options, link, context, keys } = this.#session;
    const worker = new Worker(this.#name, undefined, {
      ...options.worker,
      autorun: false,
      connection: link.client,
      prefix: keys.prefix,
      name: context.instanceId,
      lockDuration: options.lockDurationMs,
      stalledInterval: options.stalledCheckMs,
      // Its own timers for these would outlive it by seconds while Redis is away.
      skipLockRenewal: true,
      skipStalledCheck: true,
      // It writes to the console what it finds; `checkServer` has looked, and uses the logger.
      skipVersionCheck: true,
    });
    worker.on("error", (err) => this.#debug(err, "BullMQ could not reach a queue; will try again"));
    return worker;
  }

  async #fetch(): Promise<void> {
    while (this.#goesOn()) {
      if (this.#emptyUntil === undefined) {
        this.#marker = undefined;
        this.#isStopped = !(await this.#queue.take());
      } else {
        await this.#waitForJob(this.#emptyUntil);
      }
    }
    if (this.#marker && !this.#closing) await this.#queue.wakeOthers(this.#marker);
    this.#marker = undefined;
  }

  /** Waits until there may be a job, for a few seconds at most. */
  async #waitForJob(emptyUntil: number): Promise<void> {
    if (!this.#worker) {
      await this.#workerTurns.next();
      if (!this.#goesOn()) return;
    }
    const worker = (this.#worker ??= this.#createWorker());
    const backend = worker.getBackend();
    const { drainDelay = DRAIN_DELAY } = this.#session.options.worker;
    try {
      await worker.waitUntilReady();
      // Without its look at the version, BullMQ would round waits up to whole seconds, as for Redis 5.
      const { capabilities } = backend.blockingConnection ?? backend.connection;
      capabilities.canDoubleTimeout = true;
      let seconds = drainDelay;
      if (emptyUntil > 0) {
        const { minimumBlockTimeout, maximumBlockTimeout } = backend;
        seconds = Math.max((emptyUntil - this.#queue.serverNow) / 1_000, minimumBlockTimeout);
        seconds = Math.min(seconds, maximumBlockTimeout);
      }
      const marker = await backend.waitForJob(seconds);
      // The marker of a delayed job tells when that is due. That of any other is 0.
      const isDue = !marker || marker.score === 0 || marker.score <= this.#queue.serverNow;
      this.#emptyUntil = isDue ? undefined : marker.score;
      this.#marker = marker ?? undefined;
      if (this.#queue.clock.monotonic() < this.#makesWayUntil)
        await this.#pauses.pause(MAKES_WAY_MS);
    } catch (err) {
      if (this.#closing) return;
      this.#debug(err, "Waiting for a job failed; will try again");
      await this.#pauses.pause(AGAIN_AFTER_MS);
      this.#emptyUntil = undefined;
      if (await this.#isReady()) await this.#revive(worker);
      else this.#isStopped = true;
    }
  }

  /** A worker whose first connection failed would not try again by itself. */
  async #revive(worker: Worker): Promise<void> {
    try {
      await worker.waitUntilReady();
      await worker.getBackend().reconnectBlocking();
    } catch {
      void worker.close(true).catch(() => {});
      if (!this.#closing && this.#worker === worker) this.#worker = this.#createWorker();
    }
  }

  /** Looks again and again for what processes that died have left. */
  async #findStalled(): Promise<void> {
    const { link, options } = this.#session;
    const { stalledCheckMs } = options;
    let mayBeCut = false;
    const unlisten = link.onReconnect(() => (mayBeCut = true));
    while (!this.#closing && (await this.#isReady())) {
      // Others may have been cut as well: first they say what they still have in hand.
      const waits = mayBeCut;
      mayBeCut = false;
      if (waits) await this.#pauses.pause(stalledCheckMs, { keepAlive: false });
      try {
        // A busy loop may be late with both. What is in hand here is not to be found.
        this.#reader.renew();
        if (!this.#closing) await this.#queue.findStalled();
      } catch (err) {
        this.#debug(err, "Jobs of processes that died were not looked for; will try again");
      }
      await this.#pauses.pause(stalledCheckMs, { keepAlive: false });
    }
    unlisten();
  }

  /** Waits for Redis. False: the provider has stopped. */
  #isReady(): Promise<boolean> {
    return this.#session.link.whenReady().then(
      () => true,
      () => false,
    );
  }

  #debug(err: unknown, message: string): void {
    this.#session.context.logger.debug({ err, queue: this.#name }, message);
  }
}
