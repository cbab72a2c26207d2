// Whoever can import this file can load all of TypeScript: `source-loader.ts` tries. The build copies it.
export enum Compiled {
  Yes,
}
