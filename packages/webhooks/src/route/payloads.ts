import { BusbarError } from "@busbar/core";
import type { ScopingContainer } from "@busbar/core/plugin";
import { type JsonValue, listed, safeError, systemClock } from "@busbar/core/provider";
import type { Catalogue } from "../catalogue/catalogue.ts";
import { isEntityGone } from "../catalogue/entity-gone.ts";
import type { ResolveContext } from "../contract/async-event.ts";
import type { ErrorClass } from "../contract/notifier.ts";

/** What a payload is made of. */
export interface PayloadSource {
  /** The id of the event on the bus. */
  readonly id: string;
  /** The name of the event. */
  readonly name: string;
  /** The scope of the event. */
  readonly scope: string | null;
  /** When the event was emitted. */
  readonly occurredAt: Date;
  /** The arguments that travelled. */
  readonly args: JsonValue;
}

/** A payload. */
export class Payload {
  /** The payload as it is stored and delivered. */
  readonly json: string;
  #value: JsonValue | undefined;

  constructor(json: string) {
    this.json = json;
  }

  /** What the JSON says. Read when first asked for: only filters and ordering keys need it. */
  get value(): JsonValue {
    return (this.#value ??= JSON.parse(this.json) as JsonValue);
  }
}

/** Options of {@link Payloads}. */
export interface PayloadsOptions {
  readonly catalogue: Catalogue;
  /** Where resolvers find services. */
  readonly container: ResolveContainer;
  /** Milliseconds that a resolver may take. */
  readonly timeoutMs: number;
  /** UTF-8 bytes that a payload may have as JSON. */
  readonly maxPayloadBytes: number;
}

/** What finds services, and may make a scope for each resolution. */
export type ResolveContainer = ResolveContext["container"] & Pick<ScopingContainer, "createScope">;

/** Why there is no payload, in the words of the log. */
export class PayloadError extends Error {
  override readonly name: string = "PayloadError";
  readonly errorClass: ErrorClass;
  /** Whether another try may go better. */
  readonly retryable: boolean;

  constructor(
    message: string,
    { errorClass, retryable, cause }: ErrorOptions & Pick<PayloadError, "errorClass" | "retryable">,
  ) {
    super(message, { cause });
    this.errorClass = errorClass;
    this.retryable = retryable;
  }
}

/** Makes the payloads of events. */
export class Payloads {
  readonly #options: PayloadsOptions;

  constructor(options: PayloadsOptions) {
    this.#options = options;
  }

  /**
   * Makes the payload of an event: what its resolver returns, or its arguments.
   *
   * @param timeoutMs Milliseconds that the resolver may take, if it has less time than others.
   * @returns Undefined if the entity is gone and the event is to be dropped.
   * @throws PayloadError for all that goes wrong.
   */
  async resolve(
    source: PayloadSource,
    signal: AbortSignal,
    timeoutMs: number = this.#options.timeoutMs,
  ): Promise<Payload | undefined> {
    const { catalogue } = this.#options;
    const definition = catalogue.get(source.name);
    if (!definition?.resolve) return this.#sized(source.name, source.args);
    let value: unknown;
    try {
      value = await this.#run(definition.resolve as Resolver, source, signal, timeoutMs);
    } catch (error) {
      const whenGone = isEntityGone(error) ? (definition.whenGone ?? "fail") : "fail";
      if (whenGone === "drop") return undefined;
      if (whenGone === "tombstone") {
        return this.#sized(source.name, { deleted: true, args: source.args });
      }
      throw resolveError(error);
    }
    const payload = this.#sized(source.name, value);
    const issues = await catalogue.check(source.name, payload.value);
    if (issues === undefined || issues.length === 0) return payload;
    const reasons = issues.map(({ path, reason }) => (path === "" ? reason : `${path}: ${reason}`));
    throw new PayloadError(`The payload does not match its schema: ${listed(reasons)}`, {
      errorClass: "resolve_failed",
      retryable: true,
    });
  }

  async #run(
    resolve: Resolver,
    source: PayloadSource,
    signal: AbortSignal,
    timeoutMs: number,
  ): Promise<unknown> {
    const { container } = this.#options;
    const { args, id, name, scope, occurredAt } = source;
    const controller = new AbortController();
    const services = container.createScope?.();
    const stop = (): void => controller.abort(signal.reason);
    const over = new Promise<never>((_resolve, reject) => {
      controller.signal.addEventListener("abort", () => reject(controller.signal.reason as Error));
    });
    const timer = systemClock.setTimeout(() => {
      const what = `the resolver of ${JSON.stringify(name)}`;
      const message = `The resolver took longer than ${timeoutMs} ms`;
      controller.abort(new BusbarError("BUSBAR_TIMEOUT", message, { timeoutMs, what }));
    }, timeoutMs);
    signal.addEventListener("abort", stop);
    try {
      if (signal.aborted) stop();
      const event = { id, name, scope, occurredAt };
      const context = { container: services ?? container, event, signal: controller.signal };
      const work = (async () => resolve(args, context))();
      return await Promise.race([work, over]);
    } finally {
      signal.removeEventListener("abort", stop);
      timer.cancel();
      await services?.dispose?.();
    }
  }

  #sized(name: string, value: unknown): Payload {
    const json = stringify(value);
    const { maxPayloadBytes } = this.#options;
    // One UTF-16 unit has three bytes at most, so that few payloads are counted.
    const bytes = json.length * 3 > maxPayloadBytes ? Buffer.byteLength(json) : json.length;
    if (bytes > maxPayloadBytes) {
      throw new PayloadError(
        `The payload of ${name} has ${bytes} bytes, and maxPayloadBytes is ${maxPayloadBytes}`,
        { errorClass: "payload_too_large", retryable: false },
      );
    }
    return new Payload(json);
  }
}

type Resolver = (args: JsonValue, context: ResolveContext) => unknown;

function stringify(value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw resolveError(cause, "The payload cannot be written as JSON");
  }
  if (json !== undefined) return json;
  throw resolveError(undefined, "The resolver returned nothing that JSON can carry");
}

function resolveError(cause: unknown, what: string = "The resolver failed"): PayloadError {
  const reason = cause === undefined ? "" : `: ${safeError(cause).message}`;
  return new PayloadError(`${what}${reason}`, {
    errorClass: "resolve_failed",
    // What can never succeed is not tried again.
    retryable: !(cause instanceof Error && cause.name === "PermanentError"),
    cause,
  });
}
