import { type BusbarConfig, type DescribedEvent, describeEvents } from "@busbar/core";

/** Describes the events of the catalogue of a configuration, in the order of their names. */
export function describeCatalogue({ events }: BusbarConfig): readonly DescribedEvent[] {
  return events === undefined ? [] : describeEvents(events);
}
