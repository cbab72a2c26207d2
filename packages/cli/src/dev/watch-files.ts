import { once } from "node:events";
import { relative, sep } from "node:path";
import { watch } from "chokidar";

/** Milliseconds without another change after which changes are reported: editors write several files at once. */
const QUIET_MS = 50;

const IGNORED = /(?:^|[\\/])(?:node_modules|dist|\.[^\\/]+)(?:[\\/]|$)/;
const SOURCE = /\.(?:[cm]?[jt]sx?|json)$/;
const TEST = /\.(?:test|spec)\.[cm]?[jt]sx?$|\.d\.[cm]?ts$/;

/**
 * Watches the sources of an application: all but tests, what is compiled or installed, and files with a dot.
 *
 * @param changed - Called with the absolute paths of files that were added, changed or deleted.
 * @returns Once it watches, a function that ends it.
 */
export async function watchFiles(
  root: string,
  changed: (files: readonly string[]) => void,
): Promise<() => Promise<void>> {
  const watcher = watch(root, {
    ignoreInitial: true,
    ignored: (path, stats) =>
      IGNORED.test(relative(root, path)) ||
      (stats?.isFile() === true && (!SOURCE.test(path) || TEST.test(path))),
  });
  const files = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  watcher.on("all", (event, path) => {
    if (event === "addDir" || event === "unlinkDir") return;
    files.add(path);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const all = [...files];
      files.clear();
      changed(all);
    }, QUIET_MS);
  });
  await once(watcher, "ready");
  return async () => {
    clearTimeout(timer);
    await watcher.close();
  };
}

/** Whether a file holds a subscriber: it is in one of the folders, and no name of its path begins with `_`. */
export function isSubscriberFile(file: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    const path = relative(folder, file);
    return !path.startsWith("..") && !path.split(sep).some((name) => name.startsWith("_"));
  });
}
