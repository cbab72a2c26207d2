import type { StagingPlugin } from "../contract/plugin.ts";
import type {
  Envelope,
  EventProvider,
  GroupStaging,
  PublishOptions,
} from "../contract/provider.ts";
import { assertAccepted, type Publisher } from "./publisher.ts";

/** What writes events in the transactions of callers: a plugin, or the provider itself. */
export interface TransactionalStaging {
  /** Where it stages the groups of a transaction. */
  readonly groups?: GroupStaging | undefined;
  /** Whether it keeps events for their `delayMs`, whatever the provider can do. */
  readonly delays?: boolean | undefined;
  /** Writes events in a transaction. Resolves when they are as safe as the transaction. */
  stage(
    transaction: unknown,
    envelopes: readonly Envelope[],
    options: PublishOptions,
  ): Promise<void>;
}

/** The first of the plugins that can stage; else the provider, if its queues are in the database of the caller. */
export function transactionalStaging(
  plugins: readonly { readonly staging?: StagingPlugin | undefined }[],
  provider: EventProvider,
  publisher: Pick<Publisher, "count">,
): TransactionalStaging | undefined {
  const { name, groups, transactions } = provider;
  return (
    plugins.map(({ staging }) => staging).find(canStage) ??
    (transactions && {
      groups,
      async stage(transaction, envelopes, options) {
        const results = await transactions.publish(transaction, envelopes, options);
        publisher.count(envelopes, results);
        assertAccepted(name, envelopes, results);
      },
    })
  );
}

function canStage(
  staging: StagingPlugin | undefined,
): staging is StagingPlugin & Required<Pick<StagingPlugin, "stage">> {
  return staging !== undefined && "stage" in staging;
}
