import { z } from "zod";
import type { Notifier } from "../src/index.ts";

// A schema of zod is all that a notifier needs to say of its settings.
export const notifier: Notifier<{ queue: string }> = {
  name: "queue",
  settings: z.object({ queue: z.string() }),
  signs: false,
  checkDestination: () => undefined,
  deliver: async ({ settings }) => ({ ok: settings.queue !== "", retryable: false }),
};
