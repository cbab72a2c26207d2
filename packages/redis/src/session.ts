import type { ProviderContext } from "@busbar/core/provider";
import type { Keys } from "./keys.ts";
import type { RedisLink } from "./connection/redis-link.ts";
import type { ServerClock } from "./connection/server-clock.ts";
import type { Registry } from "./registry/registry.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Scripts } from "./scripts/scripts.ts";

/** What the parts of a started provider share. */
export interface Session {
  readonly context: ProviderContext;
  readonly options: ResolvedOptions;
  readonly keys: Keys;
  readonly link: RedisLink;
  readonly scripts: Scripts;
  readonly serverClock: ServerClock;
  readonly registry: Registry;
}
