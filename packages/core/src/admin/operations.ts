import type { EventProvider } from "../contract/provider.ts";
import { InstanceReporter, type InstanceReporterOptions } from "./instance-reporter.ts";
import { type InspectedInstance, inspectInstances } from "./instances.ts";

/** What {@link Operations} need. */
export interface OperationsOptions extends InstanceReporterOptions {
  readonly provider: EventProvider;
}

/** What a bus does for the people who operate it. Loaded when it is used, as most programs never do. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #reporter: InstanceReporter;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#reporter = new InstanceReporter(options);
  }

  /** Begins to show on the provider's board what this instance does. Never rejects. */
  async start(): Promise<void> {
    const { board } = this.#options.provider;
    if (board) await this.#reporter.start(board);
  }

  /** Ends what `start` began. Never rejects. */
  async close(): Promise<void> {
    const { board } = this.#options.provider;
    if (board) await this.#reporter.close(board);
  }

  /** The instances of all processes, or this one alone where the provider has no board, or cannot read it. */
  async instances(): Promise<readonly InspectedInstance[]> {
    const { instanceId, clock, logger, provider } = this.#options;
    const own = { instanceId, report: this.#reporter.report(), now: clock.now() };
    try {
      return inspectInstances(own, (await provider.board?.list()) ?? []);
    } catch (err) {
      logger.warn({ err }, "Other instances could not be listed; inspect() shows this one alone");
      return inspectInstances(own, []);
    }
  }
}
