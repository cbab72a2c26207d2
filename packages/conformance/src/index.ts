export type { CaseContext } from "./case-context.ts";
export type { ConformanceCase } from "./conformance-case.ts";
export type {
  AdjustableOption,
  ConformanceTiming,
  ConnectedFaults,
  EmbeddedFaults,
  ProviderFaults,
  ProviderHarness,
  ProviderRequest,
} from "./harness.ts";
export type { OptionalPart, Requirement, Subject } from "./requirements.ts";
export type { CaseOutcome, Scorecard, ScorecardGroup } from "./scorecard.ts";
export { providerCases } from "./suite.ts";
export { type TestFunction, testProvider, type TestProviderOptions } from "./test-provider.ts";
export type { EventBusModuleHarness } from "./module-context.ts";
export { testEventBusModule } from "./test-event-bus-module.ts";
