export {
  type ReceivedRequest,
  type Receiver,
  type ReceiverAnswer,
  type ReceiverOptions,
  type ReceiverReply,
  startReceiver,
} from "./testing/receiver.ts";
export { notifierRequest, type NotifierRequestParts } from "./testing/notifier-request.ts";
export type {
  ArrivedDelivery,
  NotifierHarness,
  NotifierTestFunction,
  TestDestination,
} from "./testing/notifier-harness.ts";
export { testNotifier } from "./testing/test-notifier.ts";
