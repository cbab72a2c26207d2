export { flakyProvider } from "./flaky-provider.ts";
export type { FlakyProviderOptions } from "./flaky-provider.ts";
export type {
  CrashOptions,
  FailOptions,
  FaultOptions,
  RejectPublishOptions,
  ReorderOptions,
  TimeOutPublishOptions,
} from "./injected-faults.ts";
export type { Random } from "./random.ts";
export type { DeliveryOutcome, RecordedDelivery } from "./recorder.ts";
export type { SimulatedFaults } from "./seeded-faults.ts";
export { simulate } from "./simulate.ts";
export type {
  SimulatedApp,
  SimulateOptions,
  Simulation,
  SimulationReport,
  Startable,
} from "./simulate.ts";
export { SimulationFailure } from "./simulation-failure.ts";
export { testingProvider } from "./testing-provider.ts";
export type {
  NextOptions,
  TestingProvider,
  TestingProviderOptions,
  TypedTestingProvider,
  TypedTestingProviderOptions,
} from "./testing-provider.ts";
// A configuration that names this package gets its default export.
// oxlint-disable-next-line import/no-default-export
export { testingModule as default } from "./testing-module.ts";
