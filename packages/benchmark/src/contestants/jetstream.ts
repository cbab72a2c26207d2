import type { Order } from "../order.ts";
import { requirePeer } from "../peers.ts";
import type { OpenNatsBus } from "./nats-bus.ts";

interface Message {
  json<T>(): T;
  ack(): void;
}

interface Messages extends AsyncIterable<Message> {
  close(): Promise<unknown>;
}

interface Connection {
  drain(): Promise<void>;
}

interface JetStream {
  publish(subject: string, payload: string): Promise<unknown>;
  readonly consumers: {
    get(
      stream: string,
      consumer: string,
    ): Promise<{ consume(options: { readonly max_messages: number }): Promise<Messages> }>;
  };
}

interface JetStreamManager {
  readonly streams: { add(config: object): Promise<unknown> };
  readonly consumers: { add(stream: string, config: object): Promise<unknown> };
}

interface TransportModule {
  readonly connect: (options: { readonly servers: string }) => Promise<Connection>;
}

interface JetStreamModule {
  readonly jetstream: (connection: Connection) => JetStream;
  readonly jetstreamManager: (connection: Connection) => Promise<JetStreamManager>;
}

const STREAM = "orders";
/** Messages that a consumer asks for. */
const AHEAD = 500;

/**
 * What one writes by hand on JetStream: a message for each event in one stream for all, and a durable consumer for each
 * subscriber. No retries with a state, priorities, patterns or dead letters: it is a limit, not a bus.
 */
export const openJetStream: OpenNatsBus = async ({ url, handlers, role }) => {
  const { connect } = requirePeer<TransportModule>("@nats-io/transport-node");
  const { jetstream, jetstreamManager } = requirePeer<JetStreamModule>("@nats-io/jetstream");
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: STREAM, subjects: [STREAM], retention: "interest" });
  const names = handlers.map((_, index) => `subscriber-${index}`);
  for (const durable_name of names) {
    await manager.consumers.add(STREAM, {
      durable_name,
      ack_policy: "explicit",
      max_ack_pending: -1,
    });
  }
  const js = jetstream(connection);
  const publish = (order: Order) => js.publish(STREAM, JSON.stringify(order));
  const handling: Messages[] = [];
  const ended: Promise<void>[] = [];
  if (role !== "server") {
    for (const [index, handler] of handlers.entries()) {
      const consumer = await js.consumers.get(STREAM, names[index] as string);
      const messages = await consumer.consume({ max_messages: AHEAD });
      handling.push(messages);
      ended.push(handleAll(messages, handler));
    }
  }
  return {
    emitOne: publish,
    emitMany: (orders) => Promise.all(orders.map(publish)),
    async close() {
      await Promise.all(handling.map((messages) => messages.close()));
      await Promise.all(ended);
      await connection.drain();
    },
  };
};

async function handleAll(
  messages: Messages,
  handler: (order: Order) => Promise<void>,
): Promise<void> {
  for await (const message of messages) {
    void handler(message.json<Order>()).then(() => message.ack());
  }
}
