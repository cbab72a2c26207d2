export { type ReceivedEvent } from "./verify/received-event.ts";
export type { FetchKeys } from "./verify/remote-keys.ts";
export type { WebhookBody, WebhookHeaders } from "./verify/request.ts";
export type { WebKey, WebKeySet } from "./verify/keys.ts";
export { type VerificationFailure, WebhookVerificationError } from "./verify/verification-error.ts";
export {
  createVerifier,
  type VerifiedWebhook,
  type VerifierOptions,
  verifyMagentoSignature,
  type WebhookVerifier,
} from "./verify/verifier.ts";
