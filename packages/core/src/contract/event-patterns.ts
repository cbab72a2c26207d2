import type { Event, EventMessage } from "./event.ts";

/** The names in a map of events. */
export type EventName<Events extends object> = keyof Events & string;

/**
 * The names and patterns that `subscribe` accepts for a map of events: each name, and each pattern that matches at least
 * one name.
 */
export type EventPattern<Events extends object> = "*" | "**" | PatternsOf<EventName<Events>>;

/** One name or pattern, or several. */
export type EventSelector<Events extends object> =
  | EventPattern<Events>
  | readonly EventPattern<Events>[];

/**
 * The names in a map of events that a name, a pattern, or an array of names and patterns matches. `order.*` matches one
 * more segment, `order.**` matches one or more segments, and `*` matches all names.
 */
export type SelectedName<Events extends object, Selector> = NamesOf<
  EventName<Events>,
  Selector extends readonly (infer Pattern)[] ? Pattern : Selector
>;

/** An {@link Event} with a known name. The name decides the type of the data. */
export interface NamedEvent<Name extends string, T> extends Event<T> {
  /** The name of the event, as a literal type. */
  readonly name: Name;
}

/** The events with some names of a map of events. A union: a check of `name` narrows the type of the data. */
export type TypedEvent<
  Events extends object,
  Name extends EventName<Events> = EventName<Events>,
> = Name extends unknown ? NamedEvent<Name, Events[Name]> : never;

/** The events that a name, a pattern, or an array of names and patterns matches, as a union. */
export type SelectedEvent<Events extends object, Selector> = TypedEvent<
  Events,
  SelectedName<Events, Selector>
>;

/** An {@link EventMessage} with a known name. The name decides the type of the data. */
export interface NamedMessage<Name extends string, T> extends EventMessage<T> {
  readonly name: Name;
}

/** The messages that `emit` accepts for a map of events. */
export type TypedMessage<
  Events extends object,
  Name extends EventName<Events> = EventName<Events>,
> = Name extends unknown ? NamedMessage<Name, Events[Name]> : never;

type PatternsOf<Name extends string> = Name extends `${infer Head}.${infer Rest}`
  ? `${Head | "*"}.${PatternsOf<Rest> | "**"}`
  : Name | "*";

type NamesOf<Names extends string, Selected> = Selected extends "*" | "**"
  ? Names
  : Selected extends `${string}*${string}`
    ? MatchingNames<Names, Selected>
    : Extract<Selected, Names>;

type MatchingNames<Name extends string, Pattern extends string> = Name extends unknown
  ? string extends Name
    ? Name
    : IsMatch<Name, Pattern> extends true
      ? Name
      : never
  : never;

/** Compares segment by segment. */
type IsMatch<
  Name extends string,
  Pattern extends string,
> = Pattern extends `${infer Segment}.${infer PatternRest}`
  ? Name extends `${infer Head}.${infer Rest}`
    ? Segment extends "*" | Head
      ? IsMatch<Rest, PatternRest>
      : false
    : false
  : Pattern extends "**"
    ? true
    : Name extends `${string}.${string}`
      ? false
      : Pattern extends "*" | Name
        ? true
        : false;
