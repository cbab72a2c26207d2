export type { DeadLetter, DeadLetterError } from "./admin/dead-letter.ts";
export type { DeadLetterFilter } from "./admin/dead-letter-filter.ts";
export type { DeadLetterProgress } from "./admin/dead-letter-scan.ts";
export type {
  BulkDeadLetters,
  DeadLetters,
  DeadLetterSearchPage,
  ListDeadLetters,
  ReplayDeadLetters,
  SearchDeadLetters,
} from "./admin/dead-letters.ts";
export type { BusHealth, BusInspection, BusState, InspectOptions } from "./admin/inspection.ts";
export type { Explanation } from "./operate/explain.ts";
export type { InspectedInstance } from "./admin/instances.ts";
export type { TailEntry } from "./operate/tail-entries.ts";
export type { ListWaiting, WaitingEvent } from "./operate/waiting.ts";
export type { SettledOptions } from "./admin/settled.ts";
export type { App, AppCradle, AppOverrides } from "./app/app.ts";
export type { BusbarConfig, ModuleConfig } from "./app/config.ts";
export type {
  BusOptions,
  DeadLetterOptions,
  EventBusOptions,
  Role,
} from "./contract/bus-options.ts";
export type { EventCatalogue, InferEvents, InferReceivedEvents } from "./contract/catalogue.ts";
export { Modules, type ServiceContainer } from "./contract/container.ts";
export type { ClearGroupOptions, IEventBusModule } from "./contract/event-bus-module.ts";
export type {
  Backoff,
  EmitOptions,
  Event,
  EventMessage,
  EventMetadata,
  Priority,
} from "./contract/event.ts";
export type { Interceptor } from "./contract/interceptor.ts";
export type { Issue } from "./contract/issue.ts";
export type { Logger } from "./contract/logger.ts";
export type { Middleware } from "./contract/middleware.ts";
export type { Schedule, ScheduleInfo, Schedules } from "./contract/schedule.ts";
export type { BusListener, BusNotices, DeadReason } from "./contract/notices.ts";
export type {
  BatchContext,
  BatchOptions,
  BatchSubscriber,
  DeliveryContext,
  RateLimit,
  Subscriber,
  SubscriberContext,
  SubscriptionDefaults,
  TransactionContext,
} from "./contract/subscriber.ts";
export { createApp, defineConfig, loadConfig } from "./create-app.ts";
export type {
  BatchSubscriberArgs,
  SubscriberArgs,
  SubscriberConfig,
  SubscriberFactory,
  SubscriberModule,
  TypedSubscriber,
  TypedSubscriberArgs,
} from "./events/subscriber.ts";
export {
  BusbarError,
  type BusbarErrorCode,
  type BusbarErrorDetails,
  type EmitOutcome,
  isBusbarError,
  PermanentError,
  ReleaseDelivery,
  type UnsettledEvent,
} from "./errors/errors.ts";
export {
  type CancelOptions,
  createEventBus,
  type DrainOptions,
  type EventBus,
  type NextOptions,
  type PauseOptions,
  type RetireOptions,
  type StopOptions,
  type TypedEventBus,
  type TypedEventModule,
} from "./event-bus.ts";
export {
  type DefinedEvents,
  defineEvents,
  type EventInputs,
  type EventOutputs,
  type EventSchemas,
} from "./events/define-events.ts";
export { type DescribedEvent, describeEvents } from "./events/describe-events.ts";
export type {
  EventName,
  EventPattern,
  EventSelector,
  NamedEvent,
  SelectedEvent,
  TypedEvent,
  TypedMessage,
} from "./contract/event-patterns.ts";
export type { BusCounters } from "./observe/counters.ts";
export { defineProvider } from "./provider/define-provider.ts";
export { systemClock } from "./contract/clock.ts";
