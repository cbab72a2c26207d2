import type { EventMessage } from "./event.ts";
import type { IEventBusModule } from "./event-bus-module.ts";
import type { StagedEvent } from "./provider.ts";

/**
 * Events of one group that a bus has accepted and not staged yet: they are staged, or published with the
 * release of their group, together and once.
 */
export class HeldEvents {
  /** Holds them. */
  readonly holding: Holding;
  readonly eventGroupId: string;
  readonly events: readonly StagedEvent[];
  /** Under which a staging knows them, so that they are neither staged nor published twice. */
  readonly token: string = crypto.randomUUID();
  isStaged = false;
  /** A release has begun whose outcome is not known. */
  mayBeReleased = false;

  constructor(holding: Holding, eventGroupId: string, events: readonly StagedEvent[]) {
    this.holding = holding;
    this.eventGroupId = eventGroupId;
    this.events = events;
  }
}

/** The events could not be staged, and nothing of them was or will be published. */
export class NotStaged extends Error {
  constructor(cause: unknown) {
    super("Events could not be staged", { cause });
  }
}

/**
 * What a bus does for a workflow whose last events and their release are to be one request. In a process whose
 * event loop is busy each answer takes a turn of it.
 */
export interface Holding {
  /** Whether the bus would hold events now: its staging knows how, and there are no interceptors. */
  readonly isPossible: boolean;
  /**
   * Validates messages as an emit does. Nothing is staged.
   *
   * @throws What an emit would reject with.
   */
  prepare(messages: readonly EventMessage[]): Promise<readonly StagedEvent[]>;
  /**
   * Stages what is held, as an emit does.
   *
   * @throws What an emit would reject with.
   */
  stage(held: HeldEvents): Promise<void>;
  /**
   * Stages what is held if that is not done, before a release.
   *
   * @throws NotStaged when that is not possible and nothing can have been published.
   */
  secure(held: HeldEvents): Promise<void>;
  /**
   * Releases a group together with what is held. May be called again after it has rejected.
   *
   * @throws NotStaged when what is held could not be staged: the group was not released.
   * @throws What `releaseGroupedEvents` would reject with.
   */
  release(held: HeldEvents): Promise<void>;
}

interface Holder {
  readonly holding: Holding;
  /** The methods of the bus as they were made. */
  readonly made: IEventBusModule;
}

/** What holds events for which bus. A bus of another copy of this package is not here. */
const holders = new WeakMap<IEventBusModule, Holder>();

/** Lets workflows find what holds events for a bus. `made` has the methods that must be the bus's own. */
export function offerHolding(bus: IEventBusModule, holding: Holding, made: IEventBusModule): void {
  holders.set(bus, { holding, made });
}

/** What holds events for a bus now. Undefined: they have to be emitted. */
export function holdingOf(bus: IEventBusModule): Holding | undefined {
  const holder = holders.get(bus);
  if (!holder?.holding.isPossible) return undefined;
  const { made, holding } = holder;
  // Who has replaced a method of the bus wants it to be called.
  const isAsMade = bus.emit === made.emit && bus.releaseGroupedEvents === made.releaseGroupedEvents;
  return isAsMade ? holding : undefined;
}
