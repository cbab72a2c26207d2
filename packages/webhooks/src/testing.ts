export {
  type ReceivedRequest,
  type Receiver,
  type ReceiverAnswer,
  type ReceiverOptions,
  type ReceiverReply,
  startReceiver,
} from "./testing/receiver.ts";
export { notifierRequest, type NotifierRequestParts } from "./testing/notifier-request.ts";
