import { CloudFault } from "./cloud-fault.ts";

/**
 * Loads a library that applications install only if they use it.
 *
 * @param name The package, as one installs it.
 * @throws CloudFault `invalid_settings` that says what to install. An attempt is worth repeating: the next deployment
 *   may have it.
 */
export async function optionalLibrary<Library>(
  name: string,
  load: () => Promise<Library>,
): Promise<Library> {
  try {
    return await load();
  } catch (cause) {
    const { code, message } = cause as { readonly code?: unknown; readonly message?: string };
    const isMissing = code === "ERR_MODULE_NOT_FOUND" && message?.includes(name);
    const error = isMissing
      ? `The package ${name} is not installed: npm install ${name}`
      : `The package ${name} cannot be loaded`;
    throw new CloudFault("invalid_settings", error, { retryable: true }, cause);
  }
}
