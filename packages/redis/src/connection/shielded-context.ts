import type { Logger } from "@busbar/core";
import { type ProviderContext, safeError, safeLogger } from "@busbar/core/provider";

/**
 * The context with functions that never throw: most are called where nobody could catch it. Errors that pass
 * through lose what ioredis puts into them, such as the arguments of the command.
 */
export function shieldedContext(context: ProviderContext): ProviderContext {
  const { clock, namespace, instanceId, deadLetters, orphanedAfterMs } = context;
  return {
    clock,
    namespace,
    instanceId,
    deadLetters,
    orphanedAfterMs,
    logger: shieldedLogger(safeLogger(context.logger)),
    report: (report) =>
      attempt(() =>
        context.report(
          report.type === "state" && report.cause !== undefined
            ? { ...report, cause: safeError(report.cause) }
            : report,
        ),
      ),
  };
}

function shieldedLogger(logger: Logger): Logger {
  return {
    debug: (fields, message) => attempt(() => logger.debug(fields, message)),
    info: (fields, message) => attempt(() => logger.info(fields, message)),
    warn: (fields, message) => attempt(() => logger.warn(fields, message)),
    error: (fields, message) => attempt(() => logger.error(fields, message)),
  };
}

function attempt(call: () => void): void {
  try {
    call();
  } catch {
    // Who was to be told is who has failed.
  }
}
