export type { App, AppBus, AppCradle } from "./app/app.ts";
export {
  type BusbarConfig,
  defineConfig,
  type ModuleConfig,
  type ModuleEntry,
  type ModulesByKey,
} from "./app/config.ts";
export { type AppOverrides, createApp } from "./app/create-app.ts";
export { loadConfig, type LoadConfigOptions, type LoadedConfig } from "./app/load-config.ts";
export type { SubscriberConfig } from "./app/subscriber-file.ts";
export { createEventBus, EventBus, type RetireOptions, type StopOptions } from "./bus/event-bus.ts";
export type {
  BusOptions,
  DeadLetterOptions,
  EventBusOptions,
  Role,
  ScopingContainer,
} from "./bus/options.ts";
export type { ClockSkew } from "./bus/clock-watch.ts";
export type { BusCounters } from "./bus/counters.ts";
export type {
  DeadLetter,
  DeadLetterError,
  DeadLetters,
  ListDeadLetters,
} from "./bus/dead-letters.ts";
export type {
  BusHealth,
  BusInspection,
  BusState,
  InspectedGroup,
  InspectedSubscription,
} from "./bus/inspection.ts";
export type { SettledOptions } from "./bus/settled.ts";
export {
  type AppContainer,
  asClass,
  asFunction,
  asValue,
  type ServiceResolver,
} from "./container/container.ts";
export type { Clock, Timer, TimerOptions } from "./contracts/clock.ts";
export { Modules, type ServiceContainer } from "./contracts/container.ts";
export type { ClearGroupOptions, IEventBusModule } from "./contracts/event-bus-module.ts";
export type {
  Backoff,
  BackoffOptions,
  EmitOptions,
  Event,
  EventMessage,
  EventMetadata,
  Priority,
} from "./contracts/event.ts";
export {
  defineEventModule,
  type EventModule,
  type ModuleDependencies,
} from "./contracts/event-module.ts";
export type {
  GroupClaim,
  GroupStaging,
  KnownGroups,
  KnownReleaseOptions,
  StagedEvent,
  StagedGroup,
  StageOptions,
} from "./contracts/groups.ts";
export type { Interceptor, InterceptorContext } from "./contracts/interceptor.ts";
export type { JsonObject, JsonValue } from "./contracts/json.ts";
export type { Logger } from "./contracts/logger.ts";
export type { DeliveryRun, Middleware } from "./contracts/middleware.ts";
export {
  definePlugin,
  type InboxStore,
  type Plugin,
  type PluginContext,
  type StagingPlugin,
} from "./contracts/plugin.ts";
export type {
  DeadDelivery,
  Page,
  ProviderAdmin,
  RegisteredSubscription,
  RetiredBacklog,
  SubscriptionRegistry,
  SubscriptionSpec,
  SubscriptionStats,
} from "./contracts/provider-parts.ts";
export type {
  ConsumerHandle,
  ConsumeSpec,
  Deliver,
  DeliverTo,
  Delivery,
  Envelope,
  EnvelopeMetadata,
  EnvelopePolicy,
  EventProvider,
  ProbeResult,
  ProviderCapabilities,
  ProviderContext,
  ProviderReport,
  PublishOptions,
  PublishResult,
  Settlement,
} from "./contracts/provider.ts";
export type {
  DeliveryContext,
  OrderedFailure,
  Ordering,
  Subscriber,
  SubscriberContext,
} from "./contracts/subscriber.ts";
export type { WorkflowFailureDetails } from "./contracts/workflow-failure.ts";
export {
  defineProvider,
  type OpenProvider,
  type ProviderDefinition,
  type ProviderPart,
} from "./define-provider.ts";
export {
  decodeDeadDelivery,
  decodeDelivery,
  decodeEnvelope,
  encodeEnvelope,
  type StoredDeadDelivery,
  type StoredDelivery,
} from "./envelope-codec.ts";
export {
  BusbarError,
  type BusbarErrorCode,
  type BusbarErrorDetails,
  type EmitOutcome,
  isBusbarError,
  type Issue,
  PermanentError,
  ReleaseDelivery,
  type UnsettledEvent,
} from "./errors.ts";
export type { SubscriberArgs } from "./delivery/subscriber-args.ts";
export type { EventCatalogue, InferEvents, InferReceivedEvents } from "./events/catalogue.ts";
export {
  type DefinedEvents,
  defineEvents,
  type DefineEventsOptions,
  type EventInputs,
  type EventOutputs,
  type EventSchemas,
} from "./events/define-events.ts";
export type {
  EventName,
  EventPattern,
  EventSelector,
  NamedEvent,
  NamedMessage,
  SelectedEvent,
  SelectedName,
  TypedEvent,
  TypedMessage,
} from "./events/event-patterns.ts";
export type {
  SubscriberFactory,
  TypedSubscriber,
  TypedSubscriberArgs,
  TypedSubscriberConfig,
} from "./events/subscriber.ts";
export type {
  Payloads,
  TypedEmitEventStep,
  TypedEmitEventStepInput,
} from "./events/typed-emit-event-step.ts";
export type { TypedEventBus, TypedEventModule } from "./events/typed-event-bus.ts";
export { unknownKeyReason } from "./nearest-name.ts";
export {
  createPollingConsumer,
  type PolledDelivery,
  type PollingConsumerOptions,
} from "./polling-consumer.ts";
export { cloneJson } from "./bus/json-clone.ts";
export { stateOfCorrupt, withoutErrorTexts } from "./delivery/provider-states.ts";
export { createRouter, matchesPattern, type RoutedSubscription, type Router } from "./router.ts";
export {
  createSubscriptionList,
  DECLARATION_COUNTS_MS,
  declaredPolicies,
  type DeclaredPolicies,
  ORDER_POLICIES,
  type OrderPolicy,
  type RenamedSubscription,
  type StoredSubscriptions,
  strictestPolicies,
  type SubscriptionList,
} from "./subscription-list.ts";
export { rejectSafely, safeError, type SafeErrorOptions } from "./safe-error.ts";
export { safeLogger } from "./safe-logger.ts";
export { systemClock } from "./system-clock.ts";
