import type { ProviderContext } from "@busbar/core/provider";
import type { LonePlaces } from "./consume/lone-place.ts";
import type { Settlements } from "./consume/settlements.ts";
import type { Database } from "./database.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Publisher } from "./publish/publisher.ts";
import type { Registry } from "./registry/registry.ts";
import type { WakeUps } from "./wake/wake-ups.ts";

/** What the parts of an open provider share. */
export interface Session {
  readonly context: ProviderContext;
  readonly options: ResolvedOptions;
  readonly database: Database;
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly wakeUps: WakeUps;
  readonly settlements: Settlements;
  readonly places: LonePlaces;
}
