// Makes the reference of the API from doc comments. A package of its own, because TypeDoc needs TypeScript 6.
import { join, relative } from "node:path";
import { Application } from "typedoc";

/**
 * Writes a page for each entry of each package into a folder.
 *
 * @param {string} folder
 * @param {string} packages The folder of the packages.
 * @param {ReadonlyMap<string, string>} entries The source of each entry, and the name by which a program imports it.
 */
export async function writeApi(folder, packages, entries) {
  const names = new Map(
    [...entries].map(([file, name]) => [
      relative(packages, file).replace(/(?:\/index)?\.ts$/, ""),
      name,
    ]),
  );
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [...entries.keys()],
    basePath: packages,
    tsconfig: join(import.meta.dirname, "tsconfig.json"),
    // `pnpm check types` compiles the packages, with the TypeScript that they are written for.
    skipErrorChecking: true,
    plugin: [import.meta.resolve("typedoc-plugin-markdown")],
    router: "module",
    outputs: [{ name: "markdown", path: folder }],
    readme: "none",
    disableSources: true,
    // A member may have the name of a type in other letters, and then the same anchor.
    useHTMLAnchors: true,
    anchorPrefix: "api-",
    hidePageHeader: true,
    hideBreadcrumbs: true,
    logLevel: "Error",
  });
  const project = await app.convert();
  for (const module of project?.children ?? []) module.name = names.get(module.name);
  if (project?.children?.length !== names.size) throw new Error("TypeDoc did not find each entry");
  await app.generateOutputs(project);
}
