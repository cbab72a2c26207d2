import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Notifier, NotifierResult } from "@busbar/webhooks";
import { z } from "zod";

const settings = z.strictObject({
  flush: z.boolean().default(false).meta({
    title: "Flush",
    description: "Whether a delivery counts only once the disk has it",
  }),
});

/** Appends deliveries to files of a folder. Replace the file by your destination. */
export function acmeNotifier(folder: string): Notifier<z.infer<typeof settings>> {
  return {
    name: "acme",
    settings,
    signs: false,
    checkDestination: (destination) =>
      /^([\w-]+\/)?[\w-]+\.ndjson$/.test(destination)
        ? undefined
        : "be the name of a file such as orders.ndjson",
    async deliver({ delivery, event, subscription, settings: { flush }, signal }) {
      const problem = this.checkDestination(subscription.destination, { flush });
      if (problem) return failure(`The destination must ${problem}`, false);
      const line = JSON.stringify({ id: delivery.id, type: event.name, data: event.data });
      try {
        const file = join(folder, subscription.destination);
        await writeFile(file, `${line}\n`, { flag: "a", flush, signal });
        return { ok: true, retryable: false };
      } catch (error) {
        return failure(`The file cannot be written (${(error as NodeJS.ErrnoException).code})`);
      }
    },
  };
}

function failure(error: string, retryable = true): NotifierResult {
  return { ok: false, retryable, errorClass: retryable ? "unknown" : "invalid_settings", error };
}
