import type { Clock } from "@busbar/core/provider";
import type { RedisClient } from "./redis-link.ts";

/** How long an orderly end may take, in milliseconds. Who calls this ends the sockets after that. */
const PATIENCE_MS = 250;

/** Ends a client, whatever it is doing. Resolves when it has ended, or does not answer. */
export function endClient(client: RedisClient, clock: Clock): Promise<void> {
  if (client.status === "end") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimeout(resolve, PATIENCE_MS, { keepAlive: true });
    client.once("end", () => {
      timer.cancel();
      resolve();
    });
    const isParked = client.status === "reconnecting";
    client.disconnect();
    // One that waits to connect again has no socket whose end it could tell of, and says nothing.
    if (isParked && client.status === "reconnecting") client.emit("end");
  });
}
