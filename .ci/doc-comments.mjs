// Every member of an interface or a class that an entry of a package exports has a doc comment: its own, or that
// of the interface that the class implements.
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseSync } from "oxc-parser";
import { finish, publishedPackages, root } from "./lib.mjs";

const files = new Map();
const seen = new Set();
const problems = [];
let count = 0;
for (const { path, manifest } of publishedPackages()) {
  for (const entry of Object.values(manifest.exports ?? {})) {
    const source = entry?.["@busbar/source"];
    if (typeof source !== "string" || !source.endsWith(".ts")) continue;
    const file = join(path, source);
    for (const name of read(file).exported.keys()) check(file, name);
  }
}
finish(problems, `${count} members`);

/** Checks a name that a file exports, where it is declared. */
function check(file, name) {
  const { exported, declared } = read(file);
  const { from, local } = exported.get(name) ?? {};
  if (from?.startsWith(".")) check(resolve(dirname(file), from), local);
  const place = `${file} ${local}`;
  if (from !== undefined || seen.has(place)) return;
  seen.add(place);
  const { members = [], bases = [] } = declared.get(local) ?? {};
  for (const [member, { line, isDocumented }] of members) {
    count += 1;
    if (isDocumented || bases.some((base) => declares(file, base, member))) continue;
    problems.push(`${relative(root, file)}:${line}: ${local}.${member} has no doc comment`);
  }
}

/** Whether an interface that a file declares or imports has a member. */
function declares(file, base, member) {
  const { imported, declared } = read(file);
  const { from, name } = imported.get(base) ?? {};
  if (from?.startsWith(".")) return declares(resolve(dirname(file), from), name, member);
  return declared.get(base)?.members.has(member) ?? false;
}

/** What a file exports and imports, and the members of what it declares. */
function read(file) {
  const known = files.get(file);
  if (known) return known;
  const text = readFileSync(file, "utf8");
  const { module, program, comments } = parseSync(file, text);
  const exported = new Map();
  for (const { entries } of module.staticExports) {
    for (const { exportName, importName, localName, moduleRequest } of entries) {
      const local = localName.name ?? importName.name;
      exported.set(exportName.name, { local, from: moduleRequest?.value });
    }
  }
  const imported = new Map();
  for (const { entries, moduleRequest } of module.staticImports) {
    for (const { importName, localName } of entries) {
      imported.set(localName.value, { name: importName.name, from: moduleRequest.value });
    }
  }
  const docs = comments.filter(({ type, value }) => type === "Block" && value.startsWith("*"));
  const declared = new Map();
  for (const statement of program.body) {
    const declaration = statement.declaration ?? statement;
    const members = declaration.body?.body;
    if (!declaration.id || !Array.isArray(members)) continue;
    const bases = (declaration.implements ?? []).map(({ expression }) => expression.name);
    declared.set(declaration.id.name, { members: membersOf(members, docs, text), bases });
  }
  const found = { exported, imported, declared };
  files.set(file, found);
  return found;
}

/** The public members by name. Of overloads and of getter and setter, one comment is enough. */
function membersOf(members, docs, text) {
  const found = new Map();
  for (const { key, kind, start } of members) {
    const name = key?.name ?? key?.value;
    if (name === undefined || key.type === "PrivateIdentifier" || kind === "constructor") continue;
    const isDocumented = docs.some(
      (doc) => doc.end < start && /^(\s|\/\/.*)*$/.test(text.slice(doc.end, start)),
    );
    const before = found.get(name);
    found.set(name, {
      line: before?.line ?? text.slice(0, start).split("\n").length,
      isDocumented: isDocumented || (before?.isDocumented ?? false),
    });
  }
  return found;
}
