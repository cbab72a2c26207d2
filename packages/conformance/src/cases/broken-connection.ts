import type { CaseContext } from "../case-context.ts";
import type { HalfOpenOptions } from "../fault-proxy.ts";

/** Cuts the connection, until `heal` or the end of the case. */
export async function cut(context: CaseContext): Promise<void> {
  if (!context.faults.connection) return;
  context.onEnd(() => heal(context));
  await context.waiting.for("the cut", context.faults.cut());
}

/** Lets connections go silent, until `heal` or the end of the case. */
export async function halfOpen(context: CaseContext, options?: HalfOpenOptions): Promise<void> {
  if (!context.faults.connection) return;
  context.onEnd(() => heal(context));
  await context.waiting.for("the silence of connections", context.faults.halfOpen(options));
}

/** Ends what the others began. */
export async function heal(context: CaseContext): Promise<void> {
  if (context.faults.connection) await context.faults.heal();
}
