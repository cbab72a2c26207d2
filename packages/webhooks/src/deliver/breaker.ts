/** How an endpoint is, as its row says. Times are milliseconds since the epoch, by the clock of the store. */
export interface EndpointHealth {
  /** `half-open`: one attempt is under way, to find out whether the endpoint works again. */
  readonly breaker: "closed" | "open" | "half-open";
  /** Attempts that have failed in a row. */
  readonly failures: number;
  /** Those of them that another attempt could have mended. */
  readonly retryableFailures: number;
  /** When the first of them failed. */
  readonly failingSince: number | null;
  /** When an open breaker lets an attempt through; or until when the one of a half-open breaker may take. */
  readonly openUntil: number | null;
  /** How often the breaker has opened since it was closed. */
  readonly opened: number;
  /** The highest warning that was given, in percent. */
  readonly warned: number;
}

/** An endpoint that has done nothing wrong. */
export const HEALTHY: EndpointHealth = {
  breaker: "closed",
  failures: 0,
  retryableFailures: 0,
  failingSince: null,
  openUntil: null,
  opened: 0,
  warned: 0,
};

/** Options of the circuit breaker that each endpoint has. */
export interface BreakerOptions {
  /**
   * Retryable failures in a row after which an endpoint gets no more attempts for a while. `false`: it always does.
   *
   * @default 10
   */
  readonly openAfter?: number | false | undefined;
  /**
   * Milliseconds after which one attempt finds out whether the endpoint works again. Doubles with each that fails.
   *
   * @default 30_000
   */
  readonly openForMs?: number | undefined;
  /**
   * Milliseconds that lie between two such attempts at most.
   *
   * @default 3_600_000, an hour
   */
  readonly openForAtMostMs?: number | undefined;
  /**
   * Failures in a row after which the subscription is disabled. `false`: it is not.
   *
   * @default 100
   */
  readonly disableAfterFailures?: number | false | undefined;
  /**
   * Milliseconds after which a subscription is disabled whose attempts have all failed. It takes as many failures as open
   * the breaker besides. `false`: it is not.
   *
   * @default 432_000_000, 120 hours
   */
  readonly disableAfterMs?: number | false | undefined;
}

/** How an attempt has ended, as far as it says something about the endpoint. */
export interface EndpointOutcome {
  readonly ok: boolean;
  readonly retryable: boolean;
  /** Whether it was the one attempt that a half-open breaker had let through. */
  readonly isProbe: boolean;
}

/** What follows from an attempt besides the endpoint's new health. */
export type EndpointIncident =
  | { readonly kind: "recovered"; readonly failures: number; readonly failingSince: number }
  | {
      readonly kind: "warning";
      readonly percent: 50 | 70 | 90;
      readonly failures: number;
      readonly failingSince: number;
    }
  | {
      readonly kind: "disabled";
      readonly reason: "failures" | "failing";
      readonly failures: number;
      readonly failingSince: number;
    };

const WARNINGS = [90, 70, 50] as const;
/** More doublings than the longest wait has. */
const MAX_DOUBLINGS = 40;

type Settings = { readonly [Name in keyof BreakerOptions]-?: NonNullable<BreakerOptions[Name]> };

/**
 * The circuit breaker of endpoints: says what an attempt, or the lack of one, makes of their health. It holds no state.
 *
 * - closed: attempts run. After `openAfter` retryable failures in a row it opens.
 * - open: none run, and deliveries wait without using up attempts. Failures of attempts that were under way do not count,
 *   or an endpoint with many at a time would be disabled for one bad moment.
 * - half-open: after a while one attempt runs. Its success closes the breaker, its failure opens it for twice as long.
 */
export class Breaker {
  readonly #settings: Settings;

  constructor(options: BreakerOptions = {}) {
    this.#settings = {
      openAfter: options.openAfter ?? 10,
      openForMs: options.openForMs ?? 30_000,
      openForAtMostMs: options.openForAtMostMs ?? 3_600_000,
      disableAfterFailures: options.disableAfterFailures ?? 100,
      disableAfterMs: options.disableAfterMs ?? 432_000_000,
    };
  }

  /** Returns how many attempts may begin: none, one that probes, or as many as others allow. */
  admits(health: EndpointHealth, now: number): "none" | "probe" | "any" {
    if (health.breaker === "closed") return "any";
    // A half-open one whose time is over: the process that was to find out has died.
    return (health.openUntil ?? 0) <= now ? "probe" : "none";
  }

  /** Returns the health of an endpoint that a probe begins for, which ends within `leaseMs`. */
  probing(health: EndpointHealth, now: number, leaseMs: number): EndpointHealth {
    return { ...health, breaker: "half-open", openUntil: now + leaseMs };
  }

  /** Returns what an attempt makes of an endpoint's health, and what is to be said or done about it. */
  after(
    health: EndpointHealth,
    { ok, retryable, isProbe }: EndpointOutcome,
    now: number,
  ): { readonly health: EndpointHealth; readonly incidents: readonly EndpointIncident[] } {
    if (ok) return recovered(health);
    if (health.breaker !== "closed" && !isProbe) return { health, incidents: [] };
    const failures = health.failures + 1;
    const retryableFailures = health.retryableFailures + (retryable ? 1 : 0);
    const failingSince = health.failingSince ?? now;
    const next = { ...health, failures, retryableFailures, failingSince };
    const { openAfter } = this.#settings;
    const opens =
      health.breaker !== "closed" || (openAfter !== false && retryableFailures >= openAfter);
    const failed = opens ? this.#opened(next, now) : next;
    const reason = this.#disabling(failed, failingSince, now);
    if (reason !== undefined) {
      const incident = { kind: "disabled", reason, failures, failingSince } as const;
      return { health: failed, incidents: [incident] };
    }
    const share = this.#share(failed, failingSince, now) * 100;
    const percent = WARNINGS.find((each) => share >= each && each > health.warned);
    if (percent === undefined) return { health: failed, incidents: [] };
    return {
      health: { ...failed, warned: percent },
      incidents: [{ kind: "warning", percent, failures, failingSince }],
    };
  }

  /**
   * Returns what an attempt makes of an endpoint's health that says nothing about the endpoint, as it never came that far.
   * If it was a probe, another may begin at once.
   */
  undecided(health: EndpointHealth, isProbe: boolean, now: number): EndpointHealth {
    return isProbe && health.breaker === "half-open"
      ? { ...health, breaker: "open", openUntil: now }
      : health;
  }

  #opened(health: EndpointHealth, now: number): EndpointHealth {
    const { openForMs, openForAtMostMs } = this.#settings;
    const waitMs = openForMs * 2 ** Math.min(health.opened, MAX_DOUBLINGS);
    return {
      ...health,
      breaker: "open",
      openUntil: now + Math.min(waitMs, openForAtMostMs),
      opened: health.opened + 1,
    };
  }

  #disabling(
    { failures }: EndpointHealth,
    failingSince: number,
    now: number,
  ): "failures" | "failing" | undefined {
    const { disableAfterFailures, disableAfterMs } = this.#settings;
    if (disableAfterFailures !== false && failures >= disableAfterFailures) return "failures";
    const isLong = disableAfterMs !== false && now - failingSince >= disableAfterMs;
    return isLong && failures >= this.#enough ? "failing" : undefined;
  }

  /** How far an endpoint is on its way to being disabled, from 0. */
  #share({ failures }: EndpointHealth, failingSince: number, now: number): number {
    const { disableAfterFailures, disableAfterMs } = this.#settings;
    return Math.max(
      disableAfterFailures === false ? 0 : failures / disableAfterFailures,
      disableAfterMs === false || failures < this.#enough
        ? 0
        : (now - failingSince) / disableAfterMs,
    );
  }

  /** Failures without which time alone does not disable: two of them may be days apart. */
  get #enough(): number {
    const { openAfter } = this.#settings;
    return openAfter === false ? 10 : openAfter;
  }
}

function recovered(health: EndpointHealth): {
  readonly health: EndpointHealth;
  readonly incidents: readonly EndpointIncident[];
} {
  const { failures, failingSince, opened, warned } = health;
  if (failures === 0 && health.breaker === "closed") return { health, incidents: [] };
  // One failure among many successes is nothing to be told of.
  const isNews = failingSince !== null && (opened > 0 || warned > 0);
  return {
    health: HEALTHY,
    incidents: isNews ? [{ kind: "recovered", failures, failingSince }] : [],
  };
}
