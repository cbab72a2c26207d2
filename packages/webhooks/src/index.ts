export {
  type AsyncEventArgs,
  type AsyncEventDefinitions,
  type AsyncEventPayloads,
  type AsyncEvents,
  defineAsyncEvents,
} from "./catalogue/define-async-events.ts";
export { EntityGone } from "./catalogue/entity-gone.ts";
export type {
  AsyncEventDefinition,
  CatalogueEntry,
  GonePolicy,
  ResolveContext,
} from "./contract/async-event.ts";
export type {
  AttemptTrigger,
  DeliveryAttempt,
  DeliveryLog,
  DeliveryState,
  DeliveryTrace,
  EventReplay,
  LogQuery,
  ReplayOptions,
  ReplayProgress,
  Replays,
  WebhookDelivery,
} from "./contract/delivery.ts";
export type { EndpointState, EndpointStates } from "./contract/endpoint-state.ts";
export type {
  ErrorClass,
  Notifier,
  NotifierInfo,
  NotifierRequest,
  NotifierResult,
  SettingsSchema,
} from "./contract/notifier.ts";
export type { OperationalEvents } from "./contract/operational-events.ts";
export type { RetryLimits, RetryPolicy } from "./contract/retry-policy.ts";
export type {
  Actor,
  BulkResult,
  ChangeOptions,
  CreatedSubscription,
  DisabledReason,
  NewSubscription,
  PageOf,
  PageOptions,
  PayloadMode,
  Secret,
  SecretInfo,
  SecretOptions,
  SubscriptionChange,
  SubscriptionFilter,
  SubscriptionSettings,
  WebhookSubscription,
  WebhookSubscriptions,
} from "./contract/subscription.ts";
export type { AccessToken, Authenticate } from "./rest/authentication.ts";
export type { Caller } from "./rest/permissions.ts";
export type { RestHandler, RestOptions } from "./rest/rest-handler.ts";
export type { WebhookEvent } from "./contract/webhook-event.ts";
export { compileFilter, type EventFilter } from "./filter/event-filter.ts";
export { isLuceneError, LuceneError } from "./search/lucene-error.ts";
export type { RetentionOptions } from "./log/retention.ts";
export type { AuthSettings, OAuth2Settings } from "./http/auth.ts";
export type { ClientTls } from "./http/connector.ts";
export type { AddressGuardOptions, Lookup } from "./http/guard.ts";
export type { NetworkOptions } from "./http/network-options.ts";
export type { ProxyOptions } from "./http/tunnel.ts";
export { httpNotifier, type HttpNotifierOptions } from "./notifiers/http-notifier.ts";
export type { HttpSettings, StatusRule } from "./notifiers/http-settings.ts";
export { type BodyFormat, formatBody, type FormattedBody } from "./signing/body-formats.ts";
export type { BodySource, CloudEventOptions } from "./signing/cloud-event.ts";
export { stdoutNotifier, type StdoutNotifierOptions } from "./notifiers/stdout-notifier.ts";
export { tcpNotifier, type TcpSettings } from "./notifiers/tcp-notifier.ts";
export type { EncryptionKey } from "./secrets/key-ring.ts";
export type { BreakerOptions } from "./deliver/breaker.ts";
export type { DispatchOptions } from "./deliver/dispatcher.ts";
export type { SubscriptionTest, SubscriptionTestResult } from "./contract/subscription-test.ts";
export type { WebhooksInspection } from "./inspection.ts";
export type { PublishOptions } from "./route/publisher.ts";
export {
  type ArgsOfSources,
  type AsyncEventSources,
  type RouteOptions,
  type SearchOptions,
  type WebhookPublisher,
  webhooks,
  type Webhooks,
  type WebhooksOptions,
} from "./webhooks.ts";
