import { matchesPattern } from "@busbar/core/provider";
import type { Cli } from "../cli.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { printable } from "../output/text.ts";
import type { WebhookDelivery, WebhooksFeature } from "../project/features.ts";
import { withProject } from "../project/open-project.ts";
import { remember } from "../remember.ts";
import { waitFor } from "../wait-for.ts";
import { forward, type ForwardResult, sessionSecret } from "../webhooks-forwarder.ts";

const POLL_EVERY_MS = 500;
const PAGE = 100;
const OVERLAP_MS = 10_000;
/** How many events are known to be forwarded. A later delivery of an older event is forwarded again. */
const REMEMBERED = 10_000;

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
  /** The ids of the deliveries that the log had at the last look. Older ones are not asked for again. */
  #looked: ReadonlySet<string> = new Set();
  /** The ids of events that are not new any more. */
  readonly #forwarded = new Map<string, true>();
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
    const wanted = found.toReversed().filter(({ id, eventId, eventName, subscriptionId }) => {
      if (this.#looked.has(id) || this.#forwarded.has(eventId)) return false;
      if (subscription !== undefined && subscriptionId !== subscription) return false;
      if (!matchesPattern(event, eventName)) return false;
      remember(this.#forwarded, eventId, true, REMEMBERED);
      return true;
    });
    this.#looked = new Set(found.map(({ id }) => id));
    this.#overlap(found);
    return wanted;
  }

  /** The newest comes first. A transaction that takes longer commits deliveries that look older. */
  #overlap([newest]: readonly WebhookDelivery[]): void {
    if (newest !== undefined) this.#since = new Date(newest.createdAt.getTime() - OVERLAP_MS);
  }
}
