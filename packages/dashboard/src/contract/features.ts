import type { Envelope } from "@busbar/core/provider";

/** What the dashboard uses of the outbox: the plugin of `@busbar/outbox` has it. */
export interface OutboxFeature {
  /** The outbox in numbers. */
  inspect(): Promise<{
    readonly pending: number;
    readonly delayed: number;
    readonly staged: number;
    readonly failed: number;
    readonly oldestAt: Date | undefined;
    readonly relay: {
      readonly state: string;
      readonly rate: number;
      readonly unsettled: number;
      readonly lastError: unknown;
    };
  }>;
  /** Events that the provider refused for good. */
  readonly failed: {
    list(options?: { readonly limit?: number | undefined }): Promise<
      readonly {
        readonly id: string;
        readonly eventId: string;
        readonly name: string;
        readonly envelope: Envelope | undefined;
        readonly error: string;
        readonly attempts: number;
        readonly createdAt: Date;
      }[]
    >;
    retry(ids?: readonly string[]): Promise<number>;
    discard(ids?: readonly string[]): Promise<number>;
  };
}

/** What the dashboard uses of webhooks: the plugin of `@busbar/webhooks` has it. */
export interface WebhooksFeature {
  /** Makes an interface like `fetch` of the plugin, for callers that the dashboard knows. */
  handler(options: {
    readonly basePath: string;
    readonly authenticate: (
      request: Request,
    ) => { readonly name: string; readonly permissions: readonly string[] } | undefined;
  }): (request: Request) => Promise<Response>;
}

/** What the dashboard uses of a store of workflow runs. */
export interface RunStore {
  /** The last runs, the newest first. */
  list(options: { readonly limit: number }): Promise<readonly object[]>;
}
