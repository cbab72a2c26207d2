/** Makes a folder in which the processes of one test run share what they bundle. */
export function provideProgramFolder(): {
  /** What tells the processes of the test run. */
  readonly env: Readonly<Record<string, string>>;
  remove(): void;
};

/**
 * Bundles TypeScript programs, so that many processes of them start fast: with a loader for TypeScript, each start
 * takes a second of a processor. Programs that are bundled together share the modules that they import.
 *
 * @param sources The files of the programs.
 * @returns The bundles, in the same order: Node runs them without a loader.
 */
export function bundlePrograms<const Sources extends readonly URL[]>(
  ...sources: Sources
): Promise<{ readonly [Index in keyof Sources]: URL }>;

/**
 * Returns what `faults` of a conformance harness needs so that the processes that the suite starts load bundles.
 *
 * @param module The file that exports `createProvider`.
 */
export function bundledChild(
  module: URL,
): Promise<{ readonly module: URL; readonly execArgv: readonly string[] }>;
