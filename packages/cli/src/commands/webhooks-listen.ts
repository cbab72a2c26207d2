import { matchesPattern } from "@busbar/core/provider";
import type { Cli } from "../cli.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { printable } from "../output/text.ts";
import type { WebhookDelivery, WebhooksFeature } from "../project/features.ts";
import { withProject } from "../project/open-project.ts";
import { waitFor } from "../wait-for.ts";
import { forward, type ForwardResult, sessionSecret } from "../webhooks-forwarder.ts";

const POLL_EVERY_MS = 500;
const PAGE = 100;
const OVERLAP_MS = 10_000;

interface ListenFlags {
  readonly forwardTo: string;
  readonly event: string;
  readonly subscription?: string;
  readonly secret?: string;
}

/** Forwards each delivery that is new in the log. */
export async function listen(cli: Cli, flags: ListenFlags): Promise<void> {
  const { forwardTo, secret = sessionSecret() } = flags;
  if (!URL.canParse(forwardTo) || !/^https?:/.test(forwardTo)) {
    throw new CommandFailure(ExitCode.usage, `${forwardTo} is not a URL of http or https`);
  }
  if (!/^whsec_[\w+/=-]+$/.test(secret)) {
    throw new CommandFailure(ExitCode.usage, "--secret must begin with whsec_");
  }
  const { signal } = cli.io;
  await withProject(
    cli,
    async ({ webhooks }) => {
      const hooks = webhooks();
      const news = new NewDeliveries(hooks, flags);
      await news.skipOld();
      const session = { forwardTo, secret };
      cli.printer.entry(session, () => `Forwarding to ${forwardTo}. The secret is ${secret}`);
      while (await waitFor(POLL_EVERY_MS, signal)) {
        for (const delivery of await news.next()) {
          const trace = await hooks.log.trace(delivery.id);
          if (trace === undefined || signal.aborted) continue;
          const sent = { ...delivery, payload: trace.payload };
          const result = await forward(forwardTo, secret, sent, signal);
          const { id, eventId, eventName } = delivery;
          cli.printer.entry({ id, eventId, eventName, ...result }, () =>
            lineOf(cli, delivery, result),
          );
        }
      }
    },
    { shared: false },
  );
}

function lineOf(
  { printer }: Cli,
  { eventName, eventId }: WebhookDelivery,
  { status, error, durationMs }: ForwardResult,
): string {
  const isAccepted = status !== undefined && status >= 200 && status < 300;
  const how = printer.paint(isAccepted ? "green" : "red", String(status ?? error));
  return `${how}  ${printable(eventName)}  ${printable(eventId)}  ${durationMs} ms`;
}

/** Finds what is new in the log. An event with several deliveries is new once. */
class NewDeliveries {
  readonly #hooks: WebhooksFeature;
  readonly #flags: ListenFlags;
  /** The ids of deliveries and events that have been looked at. */
  readonly #seen = new Set<string>();
  #since: Date | undefined;

  constructor(hooks: WebhooksFeature, flags: ListenFlags) {
    this.#hooks = hooks;
    this.#flags = flags;
  }

  /** What the log has by now is not new. */
  async skipOld(): Promise<void> {
    this.#overlap((await this.#hooks.log.deliveries({}, { limit: 1 })).items);
    await this.next();
  }

  /** Resolves with the new deliveries that are asked for, the oldest first. */
  async next(): Promise<readonly WebhookDelivery[]> {
    const found: WebhookDelivery[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#hooks.log.deliveries(
        { since: this.#since },
        { limit: PAGE, ...(cursor !== undefined && { cursor }) },
      );
      found.push(...page.items);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    const { event, subscription } = this.#flags;
    const wanted = found.toReversed().filter((delivery) => {
      const { id, eventId, eventName, subscriptionId } = delivery;
      if (this.#seen.has(id)) return false;
      this.#seen.add(id);
      if (subscription !== undefined && subscriptionId !== subscription) return false;
      if (!matchesPattern(event, eventName) || this.#seen.has(`event ${eventId}`)) return false;
      this.#seen.add(`event ${eventId}`);
      return true;
    });
    this.#overlap(found);
    return wanted;
  }

  /** The newest comes first. A transaction that takes longer commits deliveries that look older. */
  #overlap([newest]: readonly WebhookDelivery[]): void {
    if (newest !== undefined) this.#since = new Date(newest.createdAt.getTime() - OVERLAP_MS);
  }
}
