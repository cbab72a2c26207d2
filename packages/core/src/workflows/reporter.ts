import type { ServiceContainer } from "../contract/container.ts";
import type { Logger } from "../contract/logger.ts";
import { loggerFor, safeLogger } from "../errors/safe-logger.ts";

/** The logger that a container has under `logger`, or the console. */
export function findLogger(container: ServiceContainer): Logger {
  let found: Logger | false | undefined;
  try {
    found = container.resolve<Logger | false | undefined>("logger");
  } catch {
    // Most containers throw for what they do not have.
  }
  return loggerFor(found ?? undefined);
}

/** Tells the logger of a run's container what its caller might not see. Never throws. */
export class Reporter {
  readonly #container: ServiceContainer;
  readonly #fields: object;

  /** `fields` are part of each line. */
  constructor(container: ServiceContainer, fields: object) {
    this.#container = container;
    this.#fields = fields;
  }

  info(message: string, fields: object): void {
    this.#write("info", message, fields);
  }

  warn(message: string, fields: object): void {
    this.#write("warn", message, fields);
  }

  error(message: string, fields: object): void {
    this.#write("error", message, fields);
  }

  /** Calls a function of the user's; reports it when it fails. */
  async call(what: string, callback: () => unknown): Promise<void> {
    try {
      await callback();
    } catch (err) {
      this.error(`${what} failed; the workflow's outcome stands`, { err });
    }
  }

  #write(level: "info" | "warn" | "error", message: string, fields: object): void {
    try {
      safeLogger(findLogger(this.#container))[level]({ ...this.#fields, ...fields }, message);
    } catch {
      // A logger that fails has nobody to tell.
    }
  }
}
