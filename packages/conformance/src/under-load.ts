import assert from "node:assert/strict";
import type { Event, EventBus } from "@busbar/core";
import type { CaseContext } from "./case-context.ts";
import { Ledger } from "./ledger.ts";
import { PLANTED } from "./secrets.ts";
import { pause } from "./waiting.ts";

/** Milliseconds after which an emit of the load rejects. */
export const EMIT_TIMEOUT_MS = 2_000;

const SUBSCRIPTIONS = ["mail", "stock", "audit"];

/** Something that happens once so many of all events were emitted. */
export interface Disturbance {
  /** A share of the events, such as a third. */
  readonly at: number;
  readonly happen: () => Promise<void>;
}

/** Starts all that the load needs, on the namespace of the case. */
export async function putUnderLoad(context: CaseContext): Promise<UnderLoad> {
  const ledger = new Ledger(context, SUBSCRIPTIONS);
  const workers = [await context.bus(), await context.bus()];
  for (const bus of workers) {
    for (const id of SUBSCRIPTIONS) {
      const subscriber = async ({ data }: Event): Promise<void> => {
        const { number } = data as { readonly number: number };
        // So that something is in flight and something waits, whenever something breaks.
        if (number % 10 === 0) await pause(50);
        ledger.handled(id, number);
      };
      bus.subscribe("order.placed", subscriber, { subscriberId: id, concurrency: 5 });
    }
    await bus.start();
  }
  const emitter = await context.bus({ emitTimeoutMs: EMIT_TIMEOUT_MS });
  await emitter.start();
  return new UnderLoad(context, emitter, workers, ledger);
}

/** An emitter, two workers that compete for three subscriptions, and the ledger of it all. */
export class UnderLoad {
  readonly emitter: EventBus;
  readonly #context: CaseContext;
  readonly #ledger: Ledger;
  readonly #workers: readonly EventBus[];
  #emitted = 0;
  #again = 0;

  constructor(
    context: CaseContext,
    emitter: EventBus,
    workers: readonly EventBus[],
    ledger: Ledger,
  ) {
    this.#context = context;
    this.emitter = emitter;
    this.#workers = workers;
    this.#ledger = ledger;
  }

  /** Emits all events of the harness's load, by as many publishers as it says. */
  async emitAll(...disturbances: readonly Disturbance[]): Promise<void> {
    const { events, publishers } = this.#context.load;
    const due = new Map(disturbances.map((it) => [Math.floor(events * it.at), it.happen]));
    let happened = Promise.resolve();
    let begun = 0;
    const publisher = async (): Promise<void> => {
      while (begun < events) {
        const number = begun++;
        const happen = due.get(number);
        await this.emit();
        if (!happen) continue;
        // One after the other, even if there are more publishers than events between two.
        happened = happened.then(happen);
        await happened;
      }
    };
    await this.#context.waiting.for(
      () => `${events} events to be emitted (${begun} were begun)`,
      Promise.all(Array.from({ length: publishers }, publisher)),
    );
  }

  /**
   * Emits one event until it is accepted. It keeps its id, as one does that after an unknown outcome.
   */
  async emit(): Promise<void> {
    const number = this.#emitted++;
    const data = { number, secret: PLANTED };
    let last: unknown;
    let tries = 0;
    await this.#context.waiting.eventually(
      () => `an emit to be accepted (the last error was ${String(last)})`,
      async () => {
        if (tries++ > 0) this.#again++;
        try {
          await this.emitter.emit({ id: `event-${number}`, name: "order.placed", data });
          return true;
        } catch (error) {
          last = error;
          return false;
        }
      },
    );
  }

  /** Resolves once each event that was emitted has been handled in each subscription. */
  async handled(): Promise<void> {
    await this.#ledger.complete(this.#emitted);
  }

  /** Insists that nothing is lost, dead or left, and says what was repeated. */
  async account(what: string): Promise<void> {
    const [worker] = this.#workers;
    assert.ok(worker);
    await this.handled();
    // What comes once more has to come before it can be counted.
    await this.#context.numbers.eventually("an empty backlog", async () => {
      const { subscriptions } = await worker.inspect();
      return subscriptions.every((it) => it.ready + it.delayed + it.inFlight === 0);
    });
    const { items: dead } = await worker.deadLetters.list();
    const { lost, repeated } = this.#ledger.account(this.#emitted);
    this.#context.report(
      `${this.#emitted} events of ${this.#context.load.publishers} publishers in ${SUBSCRIPTIONS.length} subscriptions, ${what}: lost ${lost}, dead ${dead.length}, repeated ${repeated}; ${this.#again} emits were tried again`,
    );
    assert.deepEqual({ lost, dead: dead.length }, { lost: 0, dead: 0 });
  }
}
