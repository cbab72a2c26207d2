import type { ProviderCapabilities } from "@busbar/core/provider";
import type { Guarantee } from "../contract/api.ts";

/** The guarantees of a provider in words, those that do not hold included. */
export function guaranteesOf(capabilities: ProviderCapabilities): readonly Guarantee[] {
  const { durable, redeliverAfterMs } = capabilities;
  const seconds = Math.ceil(redeliverAfterMs / 1_000);
  return [
    guarantee("durable", "Accepted events survive a crash", durable, [
      "The provider keeps each accepted event until every subscription has handled it.",
      "Events are kept in the memory of the process. They are lost if it crashes.",
    ]),
    guarantee("redelivery", "Deliveries of a crashed process run again", durable, [
      `Another process gets them after at most ${seconds} ${seconds === 1 ? "second" : "seconds"}. A handler may therefore see an event twice.`,
      "A delivery ends with its process.",
    ]),
    guarantee("order", "Order within a key", capabilities.ordering, [
      'A subscription with the ordering "key" handles events with the same key in the order of their emits.',
      "Events may be handled in any order.",
    ]),
    guarantee("retry-delay", "Retries wait for their backoff", capabilities.retryDelay, [
      "A failed delivery runs again after the delay that its subscription asks for.",
      "A failed delivery runs again at once.",
    ]),
    guarantee("delay", "Events can be delayed", capabilities.delay, [
      "An event with a delay is delivered when its time has come.",
      "An emit with a delay is rejected.",
    ]),
    guarantee("priority", "Urgent events go first", capabilities.priority, [
      "Waiting events with a higher priority are delivered first.",
      "The priority of an event is ignored.",
    ]),
    guarantee("deduplication", "Repeated emits can be dropped", capabilities.deduplication, [
      "A second event with the same deduplication id is accepted, and is not delivered.",
      "An emit with a deduplication id is rejected.",
    ]),
  ];
}

function guarantee(
  id: string,
  title: string,
  holds: boolean,
  [whenItHolds, otherwise]: readonly [string, string],
): Guarantee {
  return { id, title, holds, detail: holds ? whenItHolds : otherwise };
}
