import { z } from "zod";
import { CLOUD_MODES, type CloudMode } from "./cloud-body.ts";

/** A text that is not empty and not long. */
export const word: z.ZodString = z.string().min(1).max(1_024);

/** The setting `timeoutMs`. */
export const timeoutMs: z.ZodDefault<z.ZodInt> = z.int().min(100).max(30_000).default(15_000).meta({
  title: "Timeout",
  description: "Milliseconds for an attempt, the connection included",
});

/** The setting `mode`. */
export const mode: z.ZodType<CloudMode, CloudMode | undefined> = z
  .enum(CLOUD_MODES as readonly [CloudMode, ...CloudMode[]])
  .default("binary")
  .meta({
    title: "Mode",
    description: "The payload with the attributes of the CloudEvent beside it, or all as one JSON",
  });

/** A setting that is secret. */
export function secret(title: string, most = 4_096): z.ZodString {
  return z.string().min(1).max(most).meta({ writeOnly: true, title });
}
