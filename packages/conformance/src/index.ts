export type { CaseContext } from "./case-context.ts";
export type { ConformanceCase } from "./conformance-case.ts";
export type { FaultLoad } from "./fault-load.ts";
export {
  createFaultProxy,
  type FaultProxy,
  type FaultProxyOptions,
  type HalfOpenOptions,
} from "./fault-proxy.ts";
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
export { type SecretWatch, watchSecrets } from "./secrets.ts";
export { providerCases } from "./suite.ts";
export type { ConformanceMode } from "./mode.ts";
export type { TestFunction } from "./test-function.ts";
export { testProvider, type TestProviderOptions } from "./test-provider.ts";
export type { EventBusModuleHarness } from "./module-context.ts";
export { testEventBusModule } from "./test-event-bus-module.ts";
