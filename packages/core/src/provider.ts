export { type Clock, systemClock, type Timer, type TimerOptions } from "./contract/clock.ts";
export {
  defineEventModule,
  type EventModule,
  type ModuleDependencies,
} from "./contract/event-module.ts";
export type { InstanceBoard, PostedReport } from "./contract/board.ts";
export type { ReservedStarts, SharedRates } from "./contract/rates.ts";
export type { ScheduleStore, ScheduleWrite, StoredSchedule } from "./contract/schedule-store.ts";
export type { JsonObject, JsonValue } from "./contract/json.ts";
export type {
  ConsumerHandle,
  ConsumeSpec,
  DeadDelivery,
  Deliver,
  Delivery,
  Envelope,
  EnvelopeMetadata,
  EnvelopePolicy,
  EventProvider,
  GroupClaim,
  GroupStaging,
  KnownGroups,
  KnownReleaseOptions,
  Page,
  ProbeResult,
  ProviderAdmin,
  ProviderCapabilities,
  ProviderContext,
  ProviderReport,
  PublishOptions,
  PublishResult,
  RegisteredSubscription,
  RetiredBacklog,
  Settlement,
  StagedEvent,
  StagedGroup,
  StageOptions,
  SubscriptionRegistry,
  SubscriptionSpec,
  SubscriptionStats,
  TransactionalPublishing,
  WaitingDelivery,
} from "./contract/provider.ts";
export type { OrderedFailure, Ordering } from "./contract/subscriber.ts";
export { stateOfCorrupt, withoutErrorTexts } from "./deliver/failures.ts";
export { grownDelay } from "./deliver/policy.ts";
export { listed, quoted } from "./errors/quoted.ts";
export { isStandardSchema, toIssues } from "./events/schema-issues.ts";
export {
  isLastingError,
  rejectSafely,
  safeError,
  type SafeErrorOptions,
} from "./errors/safe-error.ts";
export { safeLogger } from "./errors/safe-logger.ts";
export { checkEventName } from "./values/event-names.ts";
export { cloneJson } from "./values/json.ts";
export {
  assertOptions,
  type Check,
  type Checks,
  checks,
  createOptionsSchema,
  nearestHint,
  nearestName,
  optionError,
  type OptionCheck,
  type OptionIssue,
  optionIssues,
  optionsWithin,
  unknownKeyReason,
} from "./values/arguments.ts";
export {
  defineProvider,
  type OpenConsumer,
  type OpenProvider,
  type ProviderDefinition,
} from "./provider/define-provider.ts";
export {
  decodeDeadDelivery,
  decodeDelivery,
  decodeEnvelope,
  encodeEnvelope,
  type StoredDeadDelivery,
  type StoredDelivery,
} from "./provider/envelope-codec.ts";
export type { InHandOptions, PolledDelivery } from "./provider/in-hand.ts";
export { createPollingConsumer, type PollingConsumerOptions } from "./provider/polling-consumer.ts";
export {
  createPushConsumer,
  type PushChannel,
  type PushConsumerOptions,
  type PushLink,
} from "./provider/push-consumer.ts";
export type { OptionalMethod, ProviderPart } from "./provider/safe-provider.ts";
export {
  createRouter,
  matchesPattern,
  type RoutedSubscription,
  type Router,
} from "./provider/router.ts";
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
} from "./provider/subscription-list.ts";
