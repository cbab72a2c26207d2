import type { ProviderContext } from "@busbar/core/provider";
import type { Broker } from "./broker.ts";
import type { Connection } from "./connection/open-connection.ts";
import type { DeadLetters } from "./admin/dead-letters.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Publisher } from "./publish/publisher.ts";
import type { Registry } from "./registry/registry.ts";

/** What the parts of an open provider share. */
export interface Session {
  readonly context: ProviderContext;
  readonly options: ResolvedOptions;
  readonly connection: Connection;
  readonly broker: Broker;
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly deadLetters: DeadLetters;
}
