import path from "node:path";
import { BusbarError } from "../errors/errors.ts";
import type { Issue } from "../contract/issue.ts";
import { safeError } from "../errors/safe-error.ts";

/** What is wrong, and where, for {@link configError}. */
export interface ConfigMistake {
  /** The module or plugin at fault, if it is one. */
  readonly module?: string | undefined;
  /** The absolute path of the file that holds the mistake. */
  readonly file?: string | undefined;
  readonly issues: readonly Issue[];
  readonly cause?: unknown;
}

/** Makes a `BUSBAR_INVALID_CONFIG` whose message names module, file and every reason. */
export function configError(mistake: ConfigMistake): BusbarError<"BUSBAR_INVALID_CONFIG"> {
  const { module, file, issues, cause } = mistake;
  const subject = module === undefined ? "Configuration" : `Module "${module}"`;
  const place = file === undefined ? "" : ` (${displayPath(file)})`;
  return new BusbarError(
    "BUSBAR_INVALID_CONFIG",
    `${subject}${place}: ${issues.map(formatIssue).join("; ")}`,
    { module, file, issues },
    cause === undefined ? undefined : { cause: safeError(cause) },
  );
}

/** One issue as text: where, and why. */
export function formatIssue(issue: Issue): string {
  return issue.path === "" ? issue.reason : `${issue.path}: ${issue.reason}`;
}

/** A path as one would type it: relative to the working directory where it lies in there. */
export function displayPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  const outside = relative === "" || relative.startsWith("..") || path.isAbsolute(relative);
  return outside ? file : relative;
}

/** Why a file could not be loaded. Of a package that is missing it says how to install it. */
export function whyNotLoaded(cause: unknown): string {
  const message = messageOf(cause);
  const [, missing] = /^Cannot find package '([^']+)'/.exec(message) ?? [];
  if (missing === undefined) return message;
  const name = missing.split("/", missing.startsWith("@") ? 2 : 1).join("/");
  return `${message}: run "npm install ${name}"`;
}

/** The message of whatever was thrown, without secrets. */
export function messageOf(error: unknown): string {
  return safeError(error).message;
}
