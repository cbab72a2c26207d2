import type { BusInspection } from "@busbar/core";

/** A process, as the bus shows it. */
export type InspectedInstance = BusInspection["instances"][number];

/** A subscription, as the bus shows it. */
export type InspectedSubscription = BusInspection["subscriptions"][number];
