import { defineEventModule, type EventModule } from "@busbar/core";
import { optionsSchema, sqliteProvider, type SqliteProviderOptions } from "./sqlite-provider.ts";

export { sqliteProvider, type SqliteProviderOptions } from "./sqlite-provider.ts";

const sqliteModule: EventModule<SqliteProviderOptions> = defineEventModule({
  name: "busbar-sqlite",
  options: optionsSchema,
  provider: sqliteProvider,
});
// What `{ resolve: "busbar-sqlite", options }` in a configuration stands for.
// oxlint-disable-next-line import/no-default-export
export default sqliteModule;
