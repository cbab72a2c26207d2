import "./node-version.ts";
import type { Issue } from "../contract/issue.ts";
import type { WorkflowFailureDetails } from "./workflow-failure.ts";
import { isError, memberOf } from "./thrown.ts";

/** What is known of each event of an emit that did not succeed as a whole. */
export interface EmitOutcome {
  /** Ids of the events that the provider has accepted. */
  readonly accepted: readonly string[];
  /** Ids of the events that it has refused, and why. */
  readonly rejected: readonly { readonly id: string; readonly reason: string }[];
  /** Ids of the events of which nothing is known. */
  readonly unknown: readonly string[];
}

/** A delivery, or an event, that `settled` waited for in vain. */
export interface UnsettledEvent {
  /** The id of the event. */
  readonly id: string;
  /** The name of the event. */
  readonly name: string;
  /** Deliveries that are neither acknowledged nor dead. */
  readonly deliveries: number;
  /** Which subscriptions are known to hold it up, and how, such as `send-receipt (running)`. */
  readonly waitingFor: readonly string[];
  /** Events emitted in its handlers that are not settled. */
  readonly children: readonly UnsettledEvent[];
}

/** The codes of {@link BusbarError}, and what each says in `details`. */
export interface BusbarErrorDetails {
  /** A message is malformed; nothing of the emit was sent. Fix the code. */
  BUSBAR_INVALID_MESSAGE: { readonly issues: readonly Issue[] };
  /** Data does not match the schema of its event; nothing of the emit was sent. Fix the code. */
  BUSBAR_INVALID_EVENT: { readonly event: string; readonly issues: readonly Issue[] };
  /** The configuration, a module, a plugin or a subscriber file is wrong. Fix the configuration. */
  BUSBAR_INVALID_CONFIG: {
    /** The module, plugin or part of the configuration, such as `@busbar/redis`. */
    readonly module?: string | undefined;
    /** The file that holds the mistake. */
    readonly file?: string | undefined;
    readonly issues: readonly Issue[];
  };
  /** The provider cannot do what an option asks. Drop the option, or choose another provider. */
  BUSBAR_UNSUPPORTED: { readonly provider: string; readonly option: string };
  /** The provider refused, or cannot be reached; `cause` has its own error. Retry. */
  BUSBAR_UNAVAILABLE: {
    readonly provider: string;
    /** False when the provider would refuse a repeat as well: then fix what was refused. */
    readonly retryable?: boolean | undefined;
    /** Of the release of a group: whether it is marked, and will be released without a repeat. */
    readonly marked?: boolean | undefined;
  } & Partial<EmitOutcome>;
  /** The provider did not answer in time: what is in `unknown` may have been accepted. Retry. */
  BUSBAR_EMIT_TIMEOUT: EmitOutcome & {
    readonly timeoutMs: number;
    /** Of the release of a group: whether it is marked, and will be released without a repeat. */
    readonly marked?: boolean | undefined;
  };
  /** A subscription in memory had no room in time. Retry later, or emit more slowly. */
  BUSBAR_OVERLOADED: EmitOutcome & {
    /** Of the release of a group: whether it is marked, and will be released without a repeat. */
    readonly marked?: boolean | undefined;
  };
  /** The bus has stopped, or is stopping. Do not retry here. */
  BUSBAR_NOT_RUNNING: { readonly method: string };
  /** `settled` ran out of time. */
  BUSBAR_NOT_SETTLED: {
    readonly timeoutMs: number;
    /** The first 100 of them, down to 20 levels below the first of each tree. */
    readonly unsettled: readonly UnsettledEvent[];
    /** Events that are not settled and not listed. */
    readonly omitted: number;
  };
  /**
   * No such subscription, dead letter, or whatever `kind` says. Fix the id. Of an emit with the option `to`, it says
   * what became of each event.
   */
  BUSBAR_NOT_FOUND: {
    readonly kind:
      | "subscription"
      | "dead letter"
      | "webhook subscription"
      | "delivery"
      | "replay"
      | "event"
      | "schedule";
    readonly id: string;
  } & Partial<EmitOutcome>;
  /** What somebody asks for at run time, such as a webhook subscription, is malformed; nothing was changed. */
  BUSBAR_INVALID_REQUEST: { readonly issues: readonly Issue[] };
  /**
   * A change is of another version than the present one, or the present state does not allow it; nothing was changed. Read
   * the present one, and decide.
   */
  BUSBAR_CONFLICT:
    | {
        readonly kind: "webhook subscription";
        readonly id: string;
        /** The version that the caller wants to change. */
        readonly expected: number;
        /** The version that there is. */
        readonly actual: number;
      }
    | {
        readonly kind: "subscription";
        readonly id: string;
        /** The pending deliveries that would become dead letters. */
        readonly waiting: number;
        /** The dead letters that there are. */
        readonly dead: number;
        /** How many dead letters a subscription keeps. */
        readonly maxPerSubscription: number;
      }
    | {
        readonly kind: "delivery" | "event";
        readonly id: string;
        /** What is in the way, such as `running`. */
        readonly state: string;
      };
  /** A handler, a workflow step or `drained()` of the outbox took longer than its `timeoutMs`. */
  BUSBAR_TIMEOUT: { readonly timeoutMs: number; readonly what: string };
  /** A workflow failed, and so did the compensation of some of its steps. Needs a person. */
  BUSBAR_COMPENSATION_FAILED: WorkflowFailureDetails;
}

/** A stable, public name of what went wrong. */
export type BusbarErrorCode = keyof BusbarErrorDetails;

/** The only error class of Busbar. Codes and details are stable; messages are not. */
export class BusbarError<Code extends BusbarErrorCode = BusbarErrorCode> extends Error {
  /** Always `BusbarError`. */
  override readonly name = "BusbarError";
  /** What went wrong. Stable, unlike the message. */
  readonly code: Code;
  /** The values of the call that failed. Their members follow from the code. */
  readonly details: BusbarErrorDetails[Code];

  constructor(
    code: Code,
    message: string,
    details: BusbarErrorDetails[Code],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/**
 * Whether a value is a {@link BusbarError}, of one code if it is given. Works across copies of the
 * package, unlike `instanceof`.
 *
 * @example
 * ```ts
 * if (isBusbarError(error, "BUSBAR_EMIT_TIMEOUT")) console.warn(error.details.unknown);
 * ```
 */
export function isBusbarError<Code extends BusbarErrorCode = BusbarErrorCode>(
  error: unknown,
  code?: Code,
): error is BusbarError<Code> {
  return (
    isError(error) &&
    memberOf(error, "name") === "BusbarError" &&
    typeof memberOf(error, "code") === "string" &&
    (code === undefined || memberOf(error, "code") === code)
  );
}

/**
 * Thrown by a handler, it makes the delivery dead at once, even if attempts are left: for what no retry can fix.
 *
 * @example
 * ```ts
 * throw new PermanentError("A negative total never gets better");
 * ```
 */
export class PermanentError extends Error {
  /** Always `PermanentError`. */
  override readonly name: string = "PermanentError";
}

/** Whether a value is a {@link PermanentError}, from any copy of the package. */
export function isPermanentError(error: unknown): boolean {
  return isError(error) && memberOf(error, "name") === "PermanentError";
}

/**
 * Thrown by middleware or by a handler that cannot begin at the moment, through no fault of the event: the
 * delivery is released, comes again after `delayMs` (at once on a provider without the capability `retryDelay`),
 * and counts as nothing. For what a failed attempt would
 * be unfair to, such as a lock that another process has. A delivery that is released each time never ends.
 *
 * @example
 * ```ts
 * throw new ReleaseDelivery("Another run has this order in hand", { delayMs: 1_000 });
 * ```
 */
export class ReleaseDelivery extends Error {
  /** Always `ReleaseDelivery`. */
  override readonly name: string = "ReleaseDelivery";
  /** Milliseconds until the delivery may run again. */
  readonly delayMs: number;

  constructor(message: string, options: ErrorOptions & { readonly delayMs: number }) {
    super(message, options);
    this.delayMs = options.delayMs;
  }
}

/** Whether a value is a {@link ReleaseDelivery}, from any copy of the package. */
export function isReleaseDelivery(error: unknown): error is ReleaseDelivery {
  return (
    isError(error) &&
    memberOf(error, "name") === "ReleaseDelivery" &&
    typeof memberOf(error, "delayMs") === "number"
  );
}
