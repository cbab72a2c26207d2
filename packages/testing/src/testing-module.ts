import { defineEventModule, type EventModule } from "@busbar/core/provider";
import { testingProvider, type TestingProviderOptions } from "./testing-provider.ts";

/** What `{ resolve: "@busbar/testing" }` in a configuration stands for. */
export const testingModule: EventModule<TestingProviderOptions | undefined> = defineEventModule({
  name: "@busbar/testing",
  // Nobody could move the time of a provider that nobody holds.
  provider: (options) => testingProvider({ time: "system", ...options }),
});
