// A `globalSetup` of vitest: tests find NATS in `NATS_URL`.
import { provideServer } from "./provide-server.mjs";

export async function setup() {
  const { env, stop } = await provideServer("nats");
  Object.assign(process.env, env);
  return stop;
}
