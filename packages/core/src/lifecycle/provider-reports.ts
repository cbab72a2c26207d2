import type { Clock } from "../contract/clock.ts";
import type { Logger } from "../contract/logger.ts";
import type { ProviderReport } from "../contract/provider.ts";
import type { BusCounters } from "../observe/counters.ts";
import type { HealthRecord } from "../admin/inspection.ts";
import type { SettlementTracker } from "../causality/settlement-tracker.ts";

/** What {@link receiveReport} writes to. */
export interface ReportReceiver {
  readonly providerName: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: BusCounters;
  readonly health: HealthRecord;
  /** Present where every delivery runs in this process. */
  readonly tracker: SettlementTracker | undefined;
}

/** Counts and logs what a provider reports from the background. */
export function receiveReport(receiver: ReportReceiver, report: ProviderReport): void {
  const { providerName: provider, clock, logger, counters, health, tracker } = receiver;
  switch (report.type) {
    case "state": {
      health.report(report, clock.now());
      const level = report.state === "ready" || report.state === "connecting" ? "info" : "warn";
      logger[level]({ provider, err: report.cause }, `Provider "${provider}" is ${report.state}`);
      break;
    }
    case "discarded": {
      const { subscriptionId: subscriberId, count } = report;
      counters.discarded += count;
      tracker?.loseTrack();
      logger.warn(
        { provider, subscriberId, count },
        `${count} deliveries were given up: provider "${provider}" is not durable`,
      );
      break;
    }
    case "dead-letters-dropped": {
      const { subscriptionId: subscriberId, count } = report;
      counters.deadLettersDropped += count;
      logger.warn(
        { provider, subscriberId, count },
        `${count} dead letters were dropped at their bound`,
      );
    }
  }
}
