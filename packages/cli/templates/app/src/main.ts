import { createApp } from "@busbar/core";
import config from "../busbar.config.ts";
import serve from "./serve.ts";

const app = await createApp(config, { signals: false });
await app.start();
const endRequests = await serve(app);

let stopping: Promise<void> | undefined;
/** Ends the server first: requests emit events. Then the application drains. */
async function stop(): Promise<void> {
  await endRequests();
  await app.stop({ graceMs: 20_000 });
  console.log("Stopped");
}
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => void (stopping ??= stop()));
}
