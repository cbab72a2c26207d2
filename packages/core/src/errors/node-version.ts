/** The oldest Node.js that runs this package: `engines` of its `package.json`. */
const LEAST: readonly [major: number, minor: number] = [20, 19];

// At import: an older one fails later, with a message that says nothing of versions.
assertNodeVersion(globalThis.process?.versions.node);

/**
 * Passes where there is no Node.js, as in a bundle for something else.
 *
 * @throws TypeError when Node.js is too old.
 */
function assertNodeVersion(version: string | undefined): void {
  if (version === undefined) return;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return;
  throw new TypeError(
    `Busbar needs Node.js ${LEAST.join(".")} or newer, and this is ${version}: install a newer one`,
  );
}
