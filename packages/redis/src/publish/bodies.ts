import type { BodyReference } from "../store/body-reference.ts";
import type { PackSpec } from "../store/publish-script.ts";
import type { JobIds } from "../store/job-ids.ts";
import type { Route, Target } from "../registry/routes.ts";

/** From how many bytes on packs are worth a body: to refer to it takes longer than to copy what is shorter. */
const LEAST_BYTES = 2_048;

/** How many packs a job refers to at most. */
export const MOST_PACKS = 20;

/** Packs that are stored once, for all jobs that refer to them. */
export interface Body {
  readonly id: string;
  /** The events of each pack, as the data of a job without its subscription. */
  readonly packs: readonly string[];
}

/** Events that may be a pack of a body, if each of their targets has them as a whole pack. */
export interface WholePack {
  /** Of their text, from 1. */
  readonly position: number;
  readonly route: Route;
  readonly priority: number;
  readonly delay: number;
  readonly events: number;
  readonly bytes: number;
  readonly name: string;
  readonly hasOtherNames: boolean;
  /** When the oldest of them was published, in milliseconds since the epoch. */
  readonly oldestAt: number;
}

/** What is needed to refer to a body. */
export interface BodyParts {
  readonly texts: string[];
  readonly packs: readonly PackSpec[];
  readonly targets: readonly Target[];
  /** What ends the data of a pack. */
  readonly tail: string;
  readonly ids: JobIds;
}

/**
 * Moves packs into bodies, for all subscriptions together: up to {@link MOST_PACKS} in a row become one
 * job for each of these, which refers to them. What only one subscription wants, and is no more than one
 * pack, stays the job that it is.
 */
export function takeBodies(
  candidates: readonly WholePack[],
  parts: BodyParts,
): { readonly packs: readonly PackSpec[]; readonly bodies: readonly Body[] } {
  const { texts, tail, ids } = parts;
  const bodies: Body[] = [];
  if (bytesOf(candidates) < LEAST_BYTES) return { packs: parts.packs, bodies };
  const users = usersOf(candidates, parts.packs);
  const replaced = new Map<PackSpec, PackSpec | undefined>();
  for (const group of groupsOf(candidates.filter(({ position }) => users.has(position)))) {
    const [first] = group;
    if (!first || bytesOf(group) < LEAST_BYTES) continue;
    if (group.length === 1 && first.route.targets.length === 1) continue;
    const packs = group.map(({ position }) => takeText(texts, position, tail));
    const body = { id: ids.next(0), packs };
    const position = bodies.push(body);
    const reference = referTo(body, group);
    for (const it of group) {
      for (const pack of users.get(it.position) ?? []) {
        const job = it === first ? jobOf(pack, group, reference, parts) : undefined;
        replaced.set(pack, job && { ...job, body: position });
      }
    }
  }
  if (bodies.length === 0) return { packs: parts.packs, bodies };
  const packs = parts.packs.flatMap((pack) =>
    replaced.has(pack) ? (replaced.get(pack) ?? []) : pack,
  );
  return { packs, bodies };
}

/** The packs that are one of the texts as a whole. Not of a text that is only a part of some pack. */
function usersOf(
  candidates: readonly WholePack[],
  packs: readonly PackSpec[],
): ReadonlyMap<number, readonly PackSpec[]> {
  const users = new Map<number, PackSpec[]>(candidates.map(({ position }) => [position, []]));
  for (const pack of packs) {
    for (const position of pack.events) {
      if (pack.events.length === 1) users.get(position)?.push(pack);
      else users.delete(position);
    }
  }
  return users;
}

/** Those that follow each other, and go to the same targets. */
function groupsOf(whole: readonly WholePack[]): readonly (readonly WholePack[])[] {
  const groups: WholePack[][] = [];
  let last: WholePack | undefined;
  for (const pack of whole) {
    const group = groups.at(-1);
    const follows =
      last?.position === pack.position - 1 &&
      last.route === pack.route &&
      last.priority === pack.priority &&
      last.delay === pack.delay;
    if (group && follows && group.length < MOST_PACKS) group.push(pack);
    else groups.push([pack]);
    last = pack;
  }
  return groups;
}

function bytesOf(packs: readonly WholePack[]): number {
  let sum = 0;
  for (const { bytes } of packs) sum += bytes;
  return sum;
}

/** The text goes with its body, and not with the script. */
function takeText(texts: string[], position: number, tail: string): string {
  const text = `{"events":[${texts[position - 1]}${tail}`;
  texts[position - 1] = "";
  return text;
}

/** What a job says of its body, after its subscription. */
function referTo({ id }: Body, group: readonly WholePack[]): string {
  const reference: BodyReference = {
    body: id,
    packs: group.map(({ events }, index) => [index + 1, events] as const),
    oldestAt: Math.min(...group.map((it) => it.oldestAt)),
  };
  return JSON.stringify(reference).slice(1);
}

/** The job that takes the place of a group's packs at one of its targets. `first` is one of these. */
function jobOf(
  first: PackSpec,
  group: readonly WholePack[],
  reference: string,
  { texts, targets, ids }: BodyParts,
): PackSpec {
  const { subscription = "" } = targets[first.target - 1]?.spec ?? {};
  const data = `{"subscription":${JSON.stringify(subscription)},${reference}`;
  const count = group.reduce((sum, { events }) => sum + events, 0);
  const { name = "" } = group[0] ?? {};
  const isOne = group.every((it) => !it.hasOtherNames && it.name === name);
  const shown = (isOne ? name : `${name} +${count - 1}`).toWellFormed();
  const job = { ...first.job, id: ids.next(count), name: shown };
  return { target: first.target, events: [texts.push(data)], count, job };
}
