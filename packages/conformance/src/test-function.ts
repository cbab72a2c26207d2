/** `test` of vitest or of `node:test`. */
export type TestFunction = (
  name: string,
  options: { readonly skip?: boolean; readonly timeout?: number },
  run: () => Promise<void>,
) => unknown;
