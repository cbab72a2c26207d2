import type { Msg, NatsConnection } from "@nats-io/transport-node";

/** A message of a queue, and what NATS says of it. */
export interface QueueMessage {
  /** Its number in the stream of the partition. */
  readonly sequence: number;
  /** How many times NATS has delivered it, this time included. */
  readonly deliveries: number;
  readonly text: string;
  /** The subject that settlements go to. */
  readonly reply: string;
}

/** An answer to a request for messages that says something else. */
export interface PullStatus {
  readonly code: number;
  readonly description: string;
}

/** Tokens of a settlement's subject, as servers before 2.11 and without a domain have them. */
const SHORT_TOKENS = 9;
/** Tokens that come before the name of the stream in the longer form: the domain and the account. */
const MORE_TOKENS = 2;
const DELIVERIES_TOKEN = 4;
const SEQUENCE_TOKEN = 5;

/** Reads what NATS has sent to the inbox of a request. */
export function readMessage(message: Msg): QueueMessage | PullStatus {
  const { reply, headers } = message;
  if (!reply?.startsWith("$JS.ACK.")) {
    return { code: headers?.code ?? 0, description: headers?.description ?? "" };
  }
  const tokens = reply.split(".");
  const offset = tokens.length === SHORT_TOKENS ? 0 : MORE_TOKENS;
  return {
    reply,
    text: message.string(),
    deliveries: Number(tokens[DELIVERIES_TOKEN + offset]),
    sequence: Number(tokens[SEQUENCE_TOKEN + offset]),
  };
}

/** Says that a message is done, and resolves when NATS has heard it. */
export async function acknowledge(
  connection: NatsConnection,
  { reply }: QueueMessage,
  timeout: number,
): Promise<void> {
  await connection.request(reply, "+ACK", { timeout });
}

/** Hands a message back: NATS delivers it again, after a delay if there is one. */
export function handBack(
  connection: NatsConnection,
  { reply }: QueueMessage,
  delayMs: number | undefined,
): void {
  const how = delayMs ? ` {"delay": ${Math.ceil(delayMs) * 1_000_000}}` : "";
  connection.publish(reply, `-NAK${how}`);
}

/** Says that a message is still worked on. */
export function extendLease(connection: NatsConnection, { reply }: QueueMessage): void {
  connection.publish(reply, "+WPI");
}
