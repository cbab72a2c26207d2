import type { IEventBusModule } from "@busbar/core";
import { RunRecorder } from "./run-recorder.ts";
import { Waiting } from "./waiting.ts";

/** How the suite makes the event module under test. */
export interface EventBusModuleHarness<Module extends IEventBusModule = IEventBusModule> {
  /** Makes a module that nobody has subscribed to. Called once per case. */
  create(): Module | Promise<Module>;
  /** Makes it ready for `emit`, once a case has subscribed. Nothing is needed by default. */
  start?(module: Module): void | Promise<void>;
  /** Ends it, when its case is over. */
  stop?(module: Module): void | Promise<void>;
  /**
   * Multiplies every time limit.
   *
   * @default 1
   */
  readonly patience?: number | undefined;
}

/** What a case of the module suite works with. */
export class ModuleContext {
  readonly waiting: Waiting = new Waiting();
  readonly bus: IEventBusModule;
  readonly #start: () => void | Promise<void>;

  constructor(bus: IEventBusModule, start: () => void | Promise<void>) {
    this.bus = bus;
    this.#start = start;
  }

  /** To be called when all is subscribed. */
  async start(): Promise<void> {
    await this.#start();
  }

  recorder(): RunRecorder {
    return new RunRecorder(this);
  }

  /** Subscribes to an event that comes behind everything else, and waits for it. */
  async nothingMore(): Promise<void> {
    const seen = this.recorder();
    this.bus.subscribe("conformance.marker", seen.subscriber(), { subscriberId: "marker" });
    await this.bus.emit("conformance.marker", null);
    await seen.ran(1);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

/** One promise of the event module. */
export interface ModuleCase {
  readonly id: string;
  /** A sentence about behaviour. */
  readonly name: string;
  /** The promise that the case tests, as in the cases of providers. */
  readonly promise: string;
  run(context: ModuleContext): Promise<void>;
}
