/** The part of an outbox that commands use. The plugin that `outbox()` of `@busbar/outbox` makes has it. */
export interface OutboxFeature {
  /** The outbox in numbers. */
  inspect(): Promise<{
    readonly pending: number;
    readonly delayed: number;
    readonly staged: number;
    readonly failed: number;
    readonly oldestAt: Date | undefined;
  }>;
  /** Brings the tables up to date. Resolves with the versions that it applied. */
  migrate(): Promise<readonly number[]>;
  /** Events that the provider has refused for good. */
  readonly failed: {
    list(options?: { readonly limit?: number }): Promise<
      readonly {
        readonly id: string;
        readonly eventId: string;
        readonly name: string;
        readonly error: string;
        readonly attempts: number;
        readonly createdAt: Date;
      }[]
    >;
    retry(ids?: readonly string[]): Promise<number>;
  };
}

/** A webhook subscription, as commands show it. */
export interface WebhookSubscription {
  readonly id: string;
  readonly label: string | null;
  readonly events: readonly string[];
  readonly destination: string;
  readonly notifier: string;
  readonly enabled: boolean;
  readonly disabled: { readonly kind: string; readonly detail: string } | null;
}

/** A delivery of a webhook, as commands show it. */
export interface WebhookDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly subscriptionId: string;
  readonly destination: string;
  readonly state: string;
  readonly statusText: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly createdAt: Date;
}

/** How far a replay of webhooks is. */
export interface WebhookReplay {
  readonly id: string;
  readonly state: "running" | "done" | "cancelled" | "failed";
  readonly total: number;
  readonly done: number;
  readonly skipped: number;
  readonly error: string | null;
}

/** Which deliveries a command is about. */
export interface WebhookQuery {
  readonly query?: string | undefined;
  readonly since?: Date | undefined;
}

interface PageOf<T> {
  readonly items: readonly T[];
  readonly cursor: string | null;
}

interface PageOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

/** The part of webhooks that commands use. The plugin that `webhooks()` of `@busbar/webhooks` makes has it. */
export interface WebhooksFeature {
  /** The webhook subscriptions. */
  readonly subscriptions: {
    list(
      filter?: { readonly event?: string; readonly text?: string; readonly enabled?: boolean },
      page?: PageOptions,
    ): Promise<PageOf<WebhookSubscription>>;
    create(subscription: {
      readonly events: readonly string[];
      readonly destination: string;
      readonly label?: string;
      readonly scope?: string;
    }): Promise<{ readonly id: string; readonly secret: string | null }>;
    delete(id: string): Promise<unknown>;
  };
  /** The deliveries and their attempts. */
  readonly log: {
    deliveries(query?: WebhookQuery, page?: PageOptions): Promise<PageOf<WebhookDelivery>>;
    trace(deliveryId: string): Promise<
      | {
          readonly delivery: WebhookDelivery;
          readonly payload: unknown;
          readonly attempts: readonly {
            readonly number: number;
            readonly success: boolean;
            readonly status: number | null;
            readonly error: string | null;
            readonly startedAt: Date;
            readonly durationMs: number;
          }[];
        }
      | undefined
    >;
  };
  /** Deliveries again. */
  readonly replays: {
    delivery(id: string): Promise<WebhookDelivery>;
    event(id: string): Promise<{ readonly deliveries: number | null }>;
    count(options: WebhookQuery): Promise<number>;
    start(options: WebhookQuery & { readonly perSecond?: number }): Promise<WebhookReplay>;
    get(id: string): Promise<WebhookReplay | undefined>;
    cancel(id: string): Promise<WebhookReplay>;
  };
}
