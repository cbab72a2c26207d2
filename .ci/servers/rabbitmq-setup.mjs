// A `globalSetup` of vitest: tests find RabbitMQ in `RABBITMQ_URL`.
import { provideServer } from "./provide-server.mjs";

export async function setup() {
  const { env, stop } = await provideServer("rabbitmq");
  Object.assign(process.env, env);
  return stop;
}
