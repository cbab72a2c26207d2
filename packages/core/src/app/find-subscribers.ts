import { type Dirent, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { sourceExtensions } from "./resolve-source.ts";

/** A file in a subscribers folder that holds a subscriber. */
export interface SubscriberFile {
  /** Its absolute path. */
  readonly file: string;
  /** Its path under the folder without extension, joined by `/`; of an index file, its folder's. */
  readonly id: string;
}

/**
 * Lists the subscriber files under a folder, in the order of their ids. Names that begin with `_`
 * or `.`, tests, declarations and `node_modules` are passed over, and of a source beside what was
 * compiled from it, one.
 *
 * @throws Node's own error when the folder cannot be read.
 */
export function findSubscribers(folder: string): readonly SubscriberFile[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(isFile)
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => isSubscriber(path.relative(folder, file)));
  return withoutTwins(files)
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
  return /\.m?[jt]s$/.test(relative) && !/\.(?:d|test|spec)\.m?[jt]s$/.test(relative);
}

/** Drops `a.js` beside `a.ts` in development, and `a.ts` beside `a.js` in production. */
function withoutTwins(files: readonly string[]): readonly string[] {
  const present = new Set(files);
  const isPreferred = sourceExtensions()[0] === ".js" ? /\.m?js$/ : /\.m?ts$/;
  return files.filter((file) => {
    const twin = file.replace(/([jt])s$/, (_, letter: string) => (letter === "j" ? "ts" : "js"));
    return isPreferred.test(file) || !present.has(twin);
  });
}

function idOf(relative: string): string {
  const id = relative
    .replace(/\.m?[jt]s$/, "")
    .split(path.sep)
    .join("/");
  return id.replace(/(?<=.)\/index$/, "");
}

/** By code unit, so that the order does not depend on the machine's language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
