// The one place that goes beneath BullMQ's documented ways, for two measured needs.
//
// 1. One atomic step. An event has to reach the queues of all its subscriptions or none, a retry or a
//    dead letter has to move in the step that settles it, and a released group has to leave its staging
//    in the step that publishes it. BullMQ adds to one queue per script; `addBulk` is a pipeline without
//    a transaction, and MULTI cannot be made to depend on what is there (is the list of subscriptions
//    still the one we routed by, do we still hold the lock).
// 2. Speed. A pack that is done costs one round trip, in which the next one arrives.
//
// So our scripts call BullMQ's own, unchanged, as functions: what is stored is by construction what
// BullMQ stores, and its workers, getters and dashboards read it.
import { createHash } from "node:crypto";
import { BusbarError } from "@busbar/core";
// Imported by name: a bundler follows that.
// @ts-expect-error BullMQ has no types next to the files that Node can load.
import bullScripts from "bullmq/dist/cjs/scripts/index.js";
// @ts-expect-error Likewise.
import bullVersion from "bullmq/dist/cjs/version.js";
import { TESTED_BULLMQ } from "./tested-bullmq.ts";

interface BullScript {
  readonly content: string;
  readonly keys: number;
}

type ScriptName = keyof typeof TESTED_BULLMQ.scripts;

/** What stands for a BullMQ: its version, and its scripts by name. */
export interface BullRelease {
  readonly version: string;
  readonly scripts: Readonly<Partial<Record<string, BullScript>>>;
}

/** The BullMQ that is installed, or bundled. */
export const INSTALLED: BullRelease = {
  scripts: bullScripts as BullRelease["scripts"],
  ...(bullVersion as { readonly version: string }),
};

/**
 * Checks that the scripts of BullMQ that run within ours are, letter by letter, those that the conformance
 * suite passed with.
 *
 * @throws BusbarError `BUSBAR_INVALID_CONFIG` when a script differs; the message names the installed version and
 *   the tested one.
 */
export function checkBullMq({ version, scripts }: BullRelease = INSTALLED): void {
  const others = Object.entries(TESTED_BULLMQ.scripts).flatMap(([name, tested]) => {
    const script = scripts[name];
    return script && sha256Of(script) === tested ? [] : [name];
  });
  if (others.length === 0) return;
  const message =
    `BullMQ ${version} is installed, and @busbar/redis was tested with ${TESTED_BULLMQ.version}: ` +
    `its ${others.length === 1 ? "script" : "scripts"} ${others.join(", ")} may store jobs in another way. ` +
    `Install bullmq@${TESTED_BULLMQ.version}`;
  throw new BusbarError("BUSBAR_INVALID_CONFIG", message, {
    module: "@busbar/redis",
    issues: [{ path: "bullmq", reason: message }],
  });
}

/** Stands for the number of keys that a script takes, and for its text. */
function sha256Of({ keys, content }: BullScript): string {
  return createHash("sha256").update(`${keys}\n${content}`).digest("hex");
}

/** What BullMQ's scripts take apart with `cmsgpack.unpack`, our calls hand over as tables. */
const AS_IT_IS = `local as_it_is = { unpack = function(it) return it end }\n`;

/**
 * Lua that defines `bull_<name>(KEYS, ARGV)` for each of BullMQ's scripts asked for. Arguments that BullMQ's
 * own client packs are tables here: within one script there is nothing to pack them for. `start` refuses a
 * BullMQ of which a script is missing or another: see {@link checkBullMq}.
 */
export function bullFunctions(names: readonly ScriptName[]): string {
  const functions = names.map((name) => {
    const { content = "" } = INSTALLED.scripts[name] ?? {};
    return `local function bull_${name}(KEYS, ARGV)\nlocal cmsgpack = as_it_is\n${content}\nend\n`;
  });
  return AS_IT_IS + functions.join("");
}
