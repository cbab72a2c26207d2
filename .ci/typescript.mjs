// Compiles an application and the type tests against the built packages with every TypeScript that users may have.
// For the application, the compilers also check our declarations, as `skipLibCheck: false` does; those of other
// packages are not ours to mend.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { installed } from "./installed.mjs";
import { cache, filesIn, finish, root, run } from "./lib.mjs";

/** The lowest is the one that docs/README.md names. */
const versions = ["5.9.3", "6.0.3", "7.0.2"];

const folder = join(cache, "types");
rmSync(folder, { recursive: true, force: true });
cpSync(join(root, ".ci/types"), folder, { recursive: true });
mkdirSync(join(folder, "node_modules/@busbar"), { recursive: true });
mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
for (const name of [
  "core",
  "local",
  "redis",
  "sql",
  "outbox",
  "testing",
  "conformance",
  "webhooks",
]) {
  symlinkSync(join(root, "packages", name), join(folder, "node_modules/@busbar", name));
}
const nodeTypes = realpathSync(join(root, "node_modules/@types/node"));
symlinkSync(nodeTypes, join(folder, "node_modules/@types/node"));
writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
const tests = filesIn(join(root, "packages")).filter((name) => name.endsWith(".test-d.ts"));
tests.forEach(copyTest);
writeConfig("tsconfig.json", { skipLibCheck: false }, ["consumer.ts"]);
writeConfig("tsconfig.receiver.json", { skipLibCheck: false, lib: ["es2023", "dom"], types: [] }, [
  "receiver.ts",
]);
writeConfig("tsconfig.tests.json", { skipLibCheck: true }, tests.map(pathOfTest));

const problems = (await Promise.all(versions.map(checkAll))).flat();
finish(
  problems,
  `an application, a receiver without Node, and ${tests.length} type tests compile with TypeScript ${versions.join(", ")}`,
);

/** Copies a type test, so that it imports what was built of its package in the place of the sources. */
function copyTest(test) {
  const [name] = test.split("/");
  const place = join(folder, "packages", name);
  if (!existsSync(place)) {
    mkdirSync(place, { recursive: true });
    for (const [link, target] of Object.entries({ node_modules: "node_modules", src: "dist" })) {
      symlinkSync(join(root, "packages", name, target), join(place, link));
    }
  }
  const source = readFileSync(join(root, "packages", test), "utf8");
  const path = join(folder, pathOfTest(test));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source.replaceAll(/(from "[./]*\/src\/[^"]*)\.ts"/g, '$1.js"'));
}

function pathOfTest(test) {
  return `packages/${test}`;
}

function writeConfig(name, options, files) {
  const compilerOptions = {
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    types: ["node"],
    module: "nodenext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    ...options,
  };
  writeFileSync(join(folder, name), JSON.stringify({ compilerOptions, files }));
}

async function checkAll(version) {
  const program = await compiler(version);
  const found = [];
  for (const config of ["tsconfig.json", "tsconfig.receiver.json", "tsconfig.tests.json"]) {
    found.push(...(await check(version, program, config)));
  }
  return found;
}

async function check(version, program, config) {
  const { code, output } = await run(process.execPath, [program, "-p", join(folder, config)]);
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const ours = lines.filter((line) => !/node_modules[\\/](?!@busbar)/.test(line.split("(")[0]));
  // It did not begin to compile.
  if (code !== 0 && lines.every((line) => !line.includes("error TS"))) ours.push(output);
  return ours.map((line) => `TypeScript ${version}: ${line}`);
}

async function compiler(version) {
  return join(await installed("typescript", version), "node_modules/typescript/bin/tsc");
}
