import type { Logger } from "@busbar/core";
import type { CatalogueEntry } from "../contract/async-event.ts";
import type { DeliveryLog, Replays } from "../contract/delivery.ts";
import type { EndpointStates } from "../contract/endpoint-state.ts";
import type { NotifierInfo } from "../contract/notifier.ts";
import type { TestSubscription } from "../contract/subscription-test.ts";
import type { WebhookSubscriptions } from "../contract/subscription.ts";
import { type AccessToken, type Authenticate, bearerTokens } from "./authentication.ts";
import type { IdempotentRequests } from "./idempotency.ts";
import { createRestApp, type MountedRoutes } from "./rest-app.ts";
import { openApiDocument } from "./openapi.ts";
import { type AnyRoute, route } from "./route.ts";
import { catalogueRoutes } from "./routes/catalogue-routes.ts";
import { endpointRoutes } from "./routes/endpoint-routes.ts";
import { logRoutes } from "./routes/log-routes.ts";
import { mageOsRoutes } from "./routes/mage-os-routes.ts";
import { replayRoutes } from "./routes/replay-routes.ts";
import { subscriptionRoutes } from "./routes/subscription-routes.ts";
import { SubscriptionChanges } from "./subscription-changes.ts";
import { z } from "zod";

/** What an application says about its REST interface. */
export interface RestOptions {
  /**
   * The path that the host has the interface at, such as `/webhooks`. Not needed where the host takes the path away, as
   * `app.use("/webhooks", …)` of Express does.
   *
   * @default ""
   */
  readonly basePath?: string | undefined;
  /**
   * Finds out who sends a request, and what that caller is allowed. Undefined, or a promise of it, means that the caller
   * is not known: the request is answered with 401.
   *
   * @example
   * ```ts
   * authenticate: async (request) => {
   *   const session = await sessionOf(request.headers.get("cookie"));
   *   return session && { name: session.user, permissions: session.isAdmin ? ["webhooks"] : [] };
   * },
   * ```
   */
  readonly authenticate?: Authenticate | undefined;
  /** The callers that present a bearer token. Without it and without `authenticate`, every request is answered with 401. */
  readonly tokens?: readonly AccessToken[] | undefined;
  /**
   * Whether clients of Mage-OS find the resources that they know, below `/rest/V1`.
   *
   * @default true
   */
  readonly mageOs?: boolean | undefined;
}

/** What the REST interface gives access to. */
export interface RestServices {
  readonly subscriptions: WebhookSubscriptions;
  readonly log: DeliveryLog;
  readonly replays: Replays;
  readonly endpoints: EndpointStates;
  readonly catalogue: { entries(): readonly CatalogueEntry[] };
  readonly notifiers: () => readonly NotifierInfo[];
  readonly test: TestSubscription;
  readonly idempotency: IdempotentRequests;
  readonly logger: Logger;
  /** The time of the store, for public keys that have expired. */
  readonly now: () => Promise<Date>;
}

/** Answers requests, as anything that speaks `fetch` does. */
export type RestHandler = (request: Request) => Promise<Response>;

/**
 * Makes the REST interface.
 *
 * It has no rate limits, no CORS and no TLS of its own: those are the host's.
 *
 * @throws TypeError when a token is too short.
 */
export function createRestHandler(services: RestServices, options: RestOptions = {}): RestHandler {
  const {
    basePath = "",
    tokens = [],
    authenticate = bearerTokens(tokens),
    mageOs = true,
  } = options;
  const routes = restRoutes(services);
  const legacy = mageOs ? mageOsRoutes(services.subscriptions, changesOf(services)) : [];
  const document = documentRoute([...routes, ...legacy]);
  const base = basePath.replace(/\/+$/, "");
  const mounts: MountedRoutes[] = [{ base, routes: [...routes, ...legacy, document] }];
  // The paths of Mage-OS are fixed: its clients find them at the root as well.
  if (base !== "") mounts.push({ base: "", routes: legacy });
  const app = createRestApp(mounts, { authenticate, ...services });
  return async (request) => app.fetch(request);
}

/** The version of the document. It moves when a client has to change. */
const VERSION = "1.0.0";

function restRoutes(services: RestServices): readonly AnyRoute[] {
  const { subscriptions, endpoints, log, replays, catalogue, notifiers, test, now } = services;
  return [
    ...subscriptionRoutes(subscriptions, changesOf(services), test),
    ...endpointRoutes(endpoints, changesOf(services)),
    ...catalogueRoutes(catalogue, notifiers, subscriptions, now),
    ...logRoutes(log, replays),
    ...replayRoutes(replays),
  ];
}

function changesOf(services: RestServices): SubscriptionChanges {
  return new SubscriptionChanges(services);
}

function documentRoute(routes: readonly AnyRoute[]): AnyRoute {
  let document: unknown;
  return route({
    method: "GET",
    path: "/openapi.json",
    id: "getOpenApi",
    tag: "Catalogue",
    summary: "Read this document",
    permission: "public",
    responses: { 200: { description: "The document.", schema: z.record(z.string(), z.unknown()) } },
    handle: async () => ({
      status: 200,
      // Made when somebody asks for it: a process that only serves requests does without.
      body: (document ??= openApiDocument(routes, VERSION)),
      headers: { "cache-control": "public, max-age=300" },
    }),
  });
}
