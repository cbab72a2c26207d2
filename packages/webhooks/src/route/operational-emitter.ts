import type { IEventBusModule, Logger } from "@busbar/core";
import { isOperational, type OperationalEventName } from "../catalogue/operational-events.ts";
import type { OperationalEvents } from "../contract/operational-events.ts";

/** Emits an operational event. Never throws, and waits for nothing. */
export type EmitOperational = <Name extends OperationalEventName>(
  name: Name,
  data: OperationalEvents[Name],
) => void;

/**
 * Makes what emits operational events on a bus.
 *
 * A delivery of an operational event that has failed for good is logged and not announced: two subscriptions that hear
 * of each other's failures would otherwise go on for ever.
 */
export function operationalEmitter(bus: IEventBusModule, logger: Logger): EmitOperational {
  return (name, data) => {
    if ("eventName" in data && isOperational(data.eventName)) {
      logger.warn({ ...data }, "The webhook delivery of an operational event is exhausted");
      return;
    }
    bus.emit(name, data, { internal: true }).catch((err: unknown) => {
      const { subscriptionId } = data;
      logger.warn({ err, event: name, subscriptionId }, "An operational event is lost");
    });
  };
}
