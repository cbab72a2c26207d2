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
// A static import of their names: a bundler follows it, and BullMQ has loaded them already.
// @ts-expect-error BullMQ has no types for this file.
import bullScripts from "bullmq/dist/cjs/scripts/index.js";

interface BullScript {
  readonly name: string;
  readonly content: string;
  readonly keys: number;
}

/** The scripts in use, and how many keys each took in the BullMQ that they were written against. */
const EXPECTED_KEYS = {
  addDelayedJob: 6,
  addPrioritizedJob: 9,
  moveJobFromActiveToWait: 9,
  moveStalledJobsToWait: 9,
  moveToActive: 11,
  moveToDelayed: 11,
  moveToFinished: 14,
} as const;

type ScriptName = keyof typeof EXPECTED_KEYS;

/** SHA-1 of BullMQ's script that adds a job, where our short script is proven to store the same. */
const PROVEN_TO_ADD = "299880da0f75f0b376ee8e87d20eae62f964ac5e";

/** Whether this BullMQ adds jobs as the one does that `PUBLISH_ONE_SCRIPT` was proven with. */
export function addsAsProven(): boolean {
  const { content = "" } = scripts["addPrioritizedJob"] ?? {};
  return createHash("sha1").update(content).digest("hex") === PROVEN_TO_ADD;
}

const scripts = bullScripts as Readonly<Partial<Record<string, BullScript>>>;

/** What BullMQ's scripts take apart with `cmsgpack.unpack`, our calls hand over as tables. */
const AS_IT_IS = `local as_it_is = { unpack = function(it) return it end }\n`;

/**
 * Lua that defines `bull_<name>(KEYS, ARGV)` for each of BullMQ's scripts asked for. Arguments that BullMQ's
 * own client packs are tables here: within one script there is nothing to pack them for.
 */
export function bullFunctions(names: readonly ScriptName[]): string {
  const functions = names
    .map((name) => {
      const script = scripts[name];
      if (script?.keys !== EXPECTED_KEYS[name]) {
        throw new TypeError(
          `This BullMQ is not one that @busbar/redis knows: its script ${name} takes ` +
            `${script?.keys ?? "no"} keys instead of ${EXPECTED_KEYS[name]}. Install a release that is.`,
        );
      }
      return `local function bull_${name}(KEYS, ARGV)\nlocal cmsgpack = as_it_is\n${script.content}\nend\n`;
    })
    .join("");
  return AS_IT_IS + functions;
}
