/** `quick` is for every run of the tests; `stress` takes its time. */
export type ConformanceMode = "quick" | "stress";

const VARIABLE = "BUSBAR_CONFORMANCE";

/**
 * The mode that the environment asks for.
 *
 * @throws TypeError when it names another one.
 */
export function modeOfEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): ConformanceMode {
  const given = environment[VARIABLE] || "quick";
  if (given === "quick" || given === "stress") return given;
  throw new TypeError(`${VARIABLE} must be quick or stress, not "${given}"`);
}
