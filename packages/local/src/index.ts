export { localProvider } from "./local-provider.ts";
export type { LocalProviderOptions } from "./local-provider.ts";
// A configuration that names this package gets its default export.
// oxlint-disable-next-line import/no-default-export
export { localModule as default } from "./local-module.ts";
