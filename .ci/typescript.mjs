// Compiles an application against the built packages with every TypeScript that users may have. The compilers
// check our declarations too, as `skipLibCheck: false` does; those of other packages are not ours to mend.
import {
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cache, finish, root, run } from "./lib.mjs";

/** The lowest is the one that docs/README.md names. */
const versions = ["5.9.3", "6.0.3", "7.0.2"];

const folder = join(cache, "types");
rmSync(folder, { recursive: true, force: true });
cpSync(join(root, ".ci/types"), folder, { recursive: true });
mkdirSync(join(folder, "node_modules/@busbar"), { recursive: true });
mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
for (const name of ["core", "local", "redis", "outbox", "testing", "conformance"]) {
  symlinkSync(join(root, "packages", name), join(folder, "node_modules/@busbar", name));
}
const nodeTypes = realpathSync(join(root, "node_modules/@types/node"));
symlinkSync(nodeTypes, join(folder, "node_modules/@types/node"));
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({
    compilerOptions: {
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      types: ["node"],
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
    },
    files: ["consumer.ts"],
  }),
);
writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));

const problems = (await Promise.all(versions.map(check))).flat();
finish(problems, `an application compiles with TypeScript ${versions.join(", ")}`);

async function check(version) {
  const { code, output } = await run(process.execPath, [await compiler(version), "-p", folder]);
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const ours = lines.filter((line) => !/node_modules[\\/](?!@busbar)/.test(line.split("(")[0]));
  // It did not begin to compile.
  if (code !== 0 && lines.every((line) => !line.includes("error TS"))) ours.push(output);
  return ours.map((line) => `TypeScript ${version}: ${line}`);
}

/** Where a compiler is. One that is not there is installed. */
async function compiler(version) {
  const place = join(cache, "typescript", version);
  const program = join(place, "node_modules/typescript/bin/tsc");
  if (existsSync(program)) return program;
  mkdirSync(place, { recursive: true });
  const args = ["install", "--no-save", "--no-package-lock", "--no-audit", "--prefix", place];
  const { code, output } = await run("npm", [...args, `typescript@${version}`]);
  if (code !== 0) throw new Error(`TypeScript ${version} cannot be installed:\n${output}`);
  return program;
}
