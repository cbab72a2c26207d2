import type { IEventBusModule } from "./event-bus-module.ts";

/** The keys under which modules are registered in the container. */
export const Modules: {
  /** The event module: an {@link IEventBusModule}. */
  readonly EVENT_BUS: "event_bus";
  /** The same key as `EVENT_BUS`, under its shorter name. */
  readonly EVENT: "event_bus";
} = { EVENT_BUS: "event_bus", EVENT: "event_bus" };

/** Marks the type of a {@link ContainerKey}. Absent at run time. */
declare const service: unique symbol;

/** The name of a service that knows the type of the service. At run time it is a string. */
export type ContainerKey<T> = string & { readonly [service]: T };

/**
 * Types the name of a service, so that `resolve` returns the type of the service.
 *
 * @example
 * ```ts
 * export const pricing = containerKey<Pricing>("pricing");
 * const price = container.resolve(pricing).priceOf("tea");
 * ```
 */
export function containerKey<T>(name: string): ContainerKey<T> {
  return name as ContainerKey<T>;
}

/**
 * The part of a dependency-injection container that handlers, steps and plugins use. An Awilix
 * container fits as it is.
 */
export interface ServiceContainer {
  /** Returns the service that is registered under a name. Throws if there is none. */
  resolve<T>(key: ContainerKey<T>): T;
  resolve(name: "event_bus"): IEventBusModule;
  // Services are the application's own: only it knows their types, and it says so by `T`.
  // oxlint-disable-next-line typescript/no-explicit-any
  resolve<T = any>(name: string | symbol): T;
}

/** A container that can make a scope for one delivery. An Awilix container fits as it is. */
export interface ScopingContainer extends ServiceContainer {
  /**
   * Makes the scope of one delivery, which is disposed after the run. Without it, all deliveries share the container.
   */
  createScope?(): ServiceContainer & { dispose?(): void | Promise<void> };
}
