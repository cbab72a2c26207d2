export { natsProvider } from "./nats-provider.ts";
export type { NatsProviderOptions } from "./options.ts";
// A configuration that names this package gets its default export.
// oxlint-disable-next-line import/no-default-export
export { natsModule as default } from "./nats-module.ts";
