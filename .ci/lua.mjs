// Parses every Lua script that @busbar/redis sends, as it is put together, and looks for globals: Redis refuses
// those that it does not have, and only when the line runs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import luaparse from "luaparse";
import { filesIn, finish, root } from "./lib.mjs";

/** What Redis 6.2 gives a script, as far as scripts that are put together here use it. */
const GLOBALS = new Set(
  (
    "KEYS ARGV redis cjson cmsgpack math string table error ipairs next pairs pcall select tonumber tostring " +
    "type unpack"
  ).split(" "),
);

const store = join(root, "packages/redis/src/store");
const sources = filesIn(store).map((name) => ({
  name: `packages/redis/src/store/${name}`,
  lines: readFileSync(join(store, name), "utf8").split("\n"),
}));

const built = pathToFileURL(join(root, "packages/redis/dist/store/scripts.js")).href;
const { createScripts } = await import(built);
const scripts = new Map();
createScripts({ defineCommand: (name, { lua }) => scripts.set(name, lua) });

/** Places with what is wrong there, and the first script that it was found in. */
const problems = new Map();
for (const [name, lua] of scripts) {
  const report = (line, problem) => {
    const place = `${placeOf(lua.split("\n"), line - 1)}: ${problem}`;
    if (!problems.has(place)) problems.set(place, `${place} (in ${name})`);
  };
  try {
    const { globals } = luaparse.parse(lua, { luaVersion: "5.1", locations: true, scope: true });
    for (const { name: found, loc } of globals) {
      if (!GLOBALS.has(found)) report(loc.start.line, `${found} is neither local nor Redis's`);
    }
  } catch (error) {
    if (typeof error.line !== "number") throw error;
    report(error.line, error.message.replace(/^\[\d+:\d+\] /, ""));
  }
}
if (scripts.size === 0) problems.set("", "No script was found");
finish([...problems.values()], `${scripts.size} scripts in Lua`);

/**
 * File and line where a line of a script is written: where most lines around it are the same. A line with
 * something to fill in is found by those before it.
 */
function placeOf(script, at) {
  for (let back = 0; back <= at; back += 1) {
    const text = script[at - back];
    if (text.trim() === "") continue;
    let best = { same: 0, place: "" };
    for (const { name, lines } of sources) {
      for (const [index, line] of lines.entries()) {
        if (line !== text) continue;
        let same = 1;
        for (
          let step = 1;
          script[at - back - step] === lines[index - step] && index >= step;
          step += 1
        ) {
          same += 1;
        }
        for (let step = 1; index + step < lines.length; step += 1) {
          if (script[at - back + step] !== lines[index + step]) break;
          same += 1;
        }
        if (same > best.same) best = { same, place: `${name}:${index + 1 + back}` };
      }
    }
    if (best.same > 0) return best.place;
  }
  return `Line ${at + 1}, which is BullMQ's`;
}
