import { randomUUID } from "node:crypto";
import { createEventBus, type EventBus, type EventBusOptions } from "@busbar/core";
import {
  type EventProvider,
  type ProviderCapabilities,
  type ProviderContext,
  type ProviderReport,
  systemClock,
} from "@busbar/core/provider";
import { ChildProcess } from "./child/child-process.ts";
import type { Work } from "./child/messages.ts";
import type { ProviderFaults, ProviderHarness, ProviderRequest } from "./harness.ts";
import type { FullLoad } from "./fault-load.ts";
import { Instance } from "./instance.ts";
import type { Subject } from "./requirements.ts";
import { PLANTED, type SecretWatch, watchSecrets } from "./secrets.ts";
import { Numbers } from "./numbers.ts";
import { runEach } from "./run-each.ts";
import { Waiting, withLimit } from "./waiting.ts";

const DAY_MS = 86_400_000;

type BusOptions = Partial<Omit<EventBusOptions, "events" | "provider">> & {
  readonly provider?: EventProvider | undefined;
};

/** What a case works with. Everything that is made here is stopped when the case is over. */
export class CaseContext {
  /** Waits for conditions, within the patience of the harness. */
  readonly waiting: Waiting = new Waiting();
  /** Compares the numbers of queues. */
  readonly numbers: Numbers;
  /** The prefix of everything that the case makes. */
  readonly namespace: string = `conformance-${randomUUID().slice(0, 8)}`;
  /** Finds payloads in what is logged and thrown. */
  readonly secrets: SecretWatch = watchSecrets([PLANTED]);
  /** The provider under test. */
  readonly subject: Subject;
  /** The factor by which every time limit of the case grows. */
  readonly patience: number;
  /** Milliseconds without news after which nothing more is expected. */
  readonly quietMs: number;
  readonly #caseId: string;
  readonly #cleanups: (() => void | Promise<void>)[] = [];

  constructor(subject: Subject, caseId: string) {
    this.subject = subject;
    this.#caseId = caseId;
    const { patience = 1, quietMs = 40 } = subject.harness.timing ?? {};
    this.patience = patience;
    this.quietMs = quietMs;
    this.numbers = new Numbers(subject.capabilities, this.waiting);
  }

  /** The harness of the provider under test. */
  get harness(): ProviderHarness {
    return this.subject.harness;
  }

  /** What the provider under test says that it can do. */
  get capabilities(): ProviderCapabilities {
    return this.subject.capabilities;
  }

  /** The fault hooks; cases that use them require a durable provider, which has them. */
  get faults(): ProviderFaults {
    const { faults } = this.harness;
    if (!faults) throw new TypeError("The harness has no faults");
    return faults;
  }

  /** How much the case puts on the provider. */
  get load(): FullLoad {
    return this.subject.load;
  }

  /** Says what the case has found, a line for the caller that runs the suite. */
  report(line: string): void {
    this.subject.report(`${this.#caseId}: ${line}`);
  }

  /** Milliseconds that a working provider cannot need, however busy the machine is. */
  ms(milliseconds: number): number {
    return milliseconds * this.patience;
  }

  /** Calls back when the case is over: the last one first. */
  onEnd(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  /** Ends everything within the limit. A part that hangs does not keep the others from ending. */
  async end(limitMs: number): Promise<void> {
    this.waiting.end();
    const deadline = performance.now() + limitMs;
    const what = (): string => "What the case had made could not be stopped";
    const cleanups = this.#cleanups.splice(0).toReversed();
    await runEach(
      cleanups.map((cleanup) => async () => {
        const leftMs = Math.max(0, deadline - performance.now());
        await withLimit(Promise.resolve(cleanup()), Math.ceil(leftMs), what);
      }),
    );
  }

  /** Makes a provider that is not started. */
  async create(request: Partial<ProviderRequest> = {}): Promise<EventProvider> {
    const made = await this.harness.create({ namespace: this.namespace, ...request });
    const provider = this.secrets.provider(made);
    this.onEnd(() => provider.stop({ graceMs: 0 }));
    return provider;
  }

  /** What the bus would hand to `start`. */
  providerContext(
    reports: ProviderReport[] = [],
    members: Partial<ProviderContext> = {},
  ): ProviderContext {
    return {
      logger: this.secrets.logger,
      clock: systemClock,
      namespace: this.namespace,
      instanceId: randomUUID(),
      deadLetters: { maxPerSubscription: 10_000, maxAgeMs: 30 * DAY_MS },
      orphanedAfterMs: 7 * DAY_MS,
      report: (report) => {
        reports.push(report);
        this.waiting.changed();
      },
      ...members,
    };
  }

  /** Makes a provider and starts it. */
  async start(
    members: Partial<ProviderContext> = {},
    request: Partial<ProviderRequest> = {},
  ): Promise<Instance> {
    return this.started(await this.create(request), members);
  }

  /** Starts a provider that was made. */
  async started(
    provider: EventProvider,
    members: Partial<ProviderContext> = {},
  ): Promise<Instance> {
    const reports: ProviderReport[] = [];
    await this.waiting.for("start", provider.start(this.providerContext(reports, members)));
    const { quietMs, waiting, numbers } = this;
    const timing = { quietMs, publishMs: this.ms(10_000) };
    return new Instance(provider, reports, waiting, numbers, timing);
  }

  /** Another instance that reaches the same store: the same one where nothing can be shared. */
  async peerOf(instance: Instance): Promise<Instance> {
    return this.capabilities.durable ? this.start() : instance;
  }

  /** Makes a bus that is not started. */
  async bus(options: BusOptions = {}): Promise<EventBus> {
    const { provider = await this.create(), ...others } = options;
    const bus = createEventBus({
      provider,
      name: this.namespace,
      // A provider's own clock may be one that stands still.
      clock: systemClock,
      logger: this.secrets.logger,
      ...others,
    });
    this.onEnd(() => bus.stop({ graceMs: 0 }));
    return bus;
  }

  /** Starts a process that has a provider of this namespace. */
  async child(): Promise<ChildProcess> {
    const child = this.#fork();
    await child.started();
    return child;
  }

  /** Starts a process that has a bus of this namespace, which works until it is killed. */
  async worker(work: Work): Promise<ChildProcess> {
    const child = this.#fork();
    await child.works(work);
    return child;
  }

  /** Starts a process that has a bus of this namespace, and nothing else to do. */
  async idler(): Promise<ChildProcess> {
    const child = this.#fork();
    await child.idles();
    return child;
  }

  #fork(): ChildProcess {
    const { faults, module } = this.harness;
    const child = new ChildProcess(
      module ? { module } : (faults ?? this.faults),
      this.namespace,
      this.waiting,
    );
    this.onEnd(() => child.kill());
    return child;
  }
}
