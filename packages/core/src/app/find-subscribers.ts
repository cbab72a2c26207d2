import { type Dirent, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { isTypeScript, sourceExtension } from "./places.ts";

/** A file in a subscribers folder that holds a subscriber. */
export interface SubscriberFile {
  /** Its absolute path. */
  readonly file: string;
  /**
   * Its path under the folder without extension, joined by `/`; of an index file, its folder's. In
   * Unicode's composed form (NFC): some file systems decompose names.
   */
  readonly id: string;
}

/**
 * Lists the subscriber files under a folder, in the order of their ids. Names that begin with `_`
 * or `.`, tests, declarations and `node_modules` are passed over, and of a source beside what was
 * compiled from it, one.
 *
 * @param extensions - Extensions of source files, the preferred one first.
 * @throws Node's own error when the folder cannot be read.
 */
export function findSubscribers(
  folder: string,
  extensions: readonly string[],
): readonly SubscriberFile[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(isFile)
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => isSubscriber(path.relative(folder, file)));
  return withoutTwins(files, isTypeScript(extensions[0]!))
    .map((file) => ({ file, id: idOf(path.relative(folder, file)) }))
    .sort((a, b) => compare(a.id, b.id) || compare(a.file, b.file));
}

function isFile(entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isFile();
  return (
    statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.isFile() === true
  );
}

function isSubscriber(relative: string): boolean {
  const segments = relative.split(path.sep);
  if (segments.some((segment) => /^[_.]/.test(segment) || segment === "node_modules")) return false;
  return sourceExtension.test(relative) && !/\.(?:d|test|spec)\.[cm]?[jt]s$/.test(relative);
}

/** Drops `a.js` beside `a.ts`, or `a.ts` beside `a.js`: what was compiled has the same name but for a letter. */
function withoutTwins(files: readonly string[], prefersSources: boolean): readonly string[] {
  const present = new Set(files);
  return files.filter((file) => {
    const twin = file.replace(/([jt])s$/, (_, letter: string) => (letter === "j" ? "ts" : "js"));
    return isTypeScript(file) === prefersSources || !present.has(twin);
  });
}

function idOf(relative: string): string {
  const id = relative.replace(sourceExtension, "").split(path.sep).join("/");
  return id.replace(/(?<=.)\/index$/, "").normalize("NFC");
}

/** By code unit, so that the order does not depend on the machine's language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
