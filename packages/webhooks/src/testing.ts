export {
  type ReceivedRequest,
  type Receiver,
  type ReceiverAnswer,
  type ReceiverOptions,
  type ReceiverReply,
  startReceiver,
} from "./testing/receiver.ts";
