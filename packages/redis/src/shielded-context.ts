import type { Logger, ProviderContext } from "@busbar/core";

/** The context with functions that never throw: most are called where nobody could catch it. */
export function shieldedContext(context: ProviderContext): ProviderContext {
  const { clock, namespace, instanceId, deadLetters, orphanedAfterMs } = context;
  return {
    clock,
    namespace,
    instanceId,
    deadLetters,
    orphanedAfterMs,
    logger: shieldedLogger(context.logger),
    report: (report) => attempt(() => context.report(report)),
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
