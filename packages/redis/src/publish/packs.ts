import { encodeEnvelope, type Envelope, type PublishResult } from "@busbar/core/provider";
import { deduplicationKey } from "../store/key-text.ts";
import { commonParts, leanTail } from "../store/stored-events.ts";
import { type Body, MOST_PACKS, takeBodies, type WholePack } from "./bodies.ts";
import type { PackSpec, PublishAnswer, PublishRequest } from "../store/publish-script.ts";
import type { JobIds } from "../store/job-ids.ts";
import { NORMAL_PRIORITY } from "../store/job-data.ts";
import { laneKey, type Route, type RouteOf, type Target } from "../registry/routes.ts";
import { createRuns, type Run, type RunBounds } from "./runs.ts";

/** The bounds of packs. */
export interface PackBounds extends RunBounds {
  readonly deduplicationWindowMs: number;
  /** Whether packs may be stored apart from the jobs that refer to them. */
  readonly bodies: boolean;
  /**
   * How many jobs and lane entries there may be before another event is added: those of one event stay
   * together, however many they are.
   */
  readonly maxJobs: number;
}

/** A batch, or as much of it as the bounds allow, as the jobs and lane entries that carry it. */
export interface PackedBatch extends Pick<PublishRequest, "targets" | "lanes" | "named"> {
  readonly packs: readonly PackSpec[];
  /** JSON of envelopes, joined by commas. Packs and lane entries refer to these by position. */
  readonly texts: readonly string[];
  /** Packs that are stored apart from the jobs, which refer to these by position. */
  readonly bodies: readonly Body[];
  /** The route of each envelope that is packed, by its index. Those of the batch behind them are not packed. */
  readonly routes: readonly Route[];
  /** Index in the batch of the only event of a pack or a lane entry (by position) that may be a duplicate. */
  readonly deduplicated: {
    readonly packs: ReadonlyMap<PackSpec, number>;
    readonly lanes: ReadonlyMap<number, number>;
  };
}

interface OpenPack {
  readonly pack: PackSpec;
  readonly name: string;
  hasOtherNames: boolean;
  bytes: number;
}

/** Packs a batch, in its order. */
export function packBatch(
  batch: readonly Envelope[],
  routeOf: RouteOf,
  bounds: PackBounds,
  ids: JobIds,
): PackedBatch {
  const texts: string[] = [];
  const routes: Route[] = [];
  const packs: PackSpec[] = [];
  const lanes: PublishRequest["lanes"][number][] = [];
  const deduplicated = { packs: new Map<PackSpec, number>(), lanes: new Map<number, number>() };
  const targets: Target[] = [];
  const positions = new Map<Target, number>();
  const open: (OpenPack | undefined)[] = [];
  const candidates: WholePack[] = [];
  /** Positions of texts that only one target has. */
  const unshared = new Set<number>();
  const common = commonParts(batch);
  const tail = leanTail(common);
  const runs = createRuns(bounds, common, addRun);
  let last: Run | undefined;
  let jobs = 0;

  function positionOf(target: Target): number {
    let position = positions.get(target);
    if (position === undefined) {
      position = targets.push(target);
      positions.set(target, position);
    }
    return position;
  }

  function closePack(position: number): void {
    const present = open[position];
    if (!present) return;
    open[position] = undefined;
    const { pack, name, hasOtherNames } = present;
    pack.job.id = ids.next(pack.count);
    pack.job.name = (hasOtherNames ? `${name} +${pack.count - 1}` : name).toWellFormed();
  }

  function addRun(run: Run): void {
    const { route, delay, name, events, bytes } = run;
    const position = texts.push(run.text);
    candidates.push({ ...run, position });
    if (route.targets.length === 1) unshared.add(position);
    // A job refers to many packs of a body.
    const share = bounds.bodies && last && isAlike(last, run) ? 1 / MOST_PACKS : 1;
    last = run;
    for (const target of route.targets) {
      const at = positionOf(target);
      const priority = target.ordering === "none" ? run.priority : NORMAL_PRIORITY;
      const present = open[at];
      if (
        present &&
        present.pack.job.priority === priority &&
        present.pack.job.delay === delay &&
        present.pack.count + events <= bounds.maxEvents &&
        present.bytes + bytes <= bounds.maxBytes
      ) {
        present.pack.events.push(position);
        present.pack.count += events;
        present.hasOtherNames ||= run.hasOtherNames || name !== present.name;
        present.bytes += bytes;
      } else {
        closePack(at);
        const job = { id: "", name: "", priority, delay };
        const pack = { target: at, events: [position], count: events, job, tail };
        packs.push(pack);
        jobs += share;
        open[at] = { pack, name, hasOtherNames: run.hasOtherNames, bytes };
      }
    }
  }

  /** An event that some of its targets keep in order, or that may be a duplicate. */
  function addAlone(envelope: Envelope, index: number, route: Route, text: string, delay: number) {
    const position = texts.push(text);
    const { deduplicationId } = envelope;
    const name = envelope.name.toWellFormed();
    for (const target of route.targets) {
      const at = positionOf(target);
      const key = laneKey(target, envelope.orderingKey);
      const isOrdered = target.ordering !== "none";
      const priority = isOrdered ? NORMAL_PRIORITY : (envelope.priority ?? NORMAL_PRIORITY);
      const dedup =
        deduplicationId === undefined
          ? undefined
          : {
              dedup: deduplicationKey(target.scope, deduplicationId),
              dedupTtl: bounds.deduplicationWindowMs,
            };
      // What comes after it must not be in a pack that stands before it.
      closePack(at);
      jobs += 1;
      if (key !== undefined && delay === 0) {
        const data = `${target.turnHead}${JSON.stringify(key)}}`;
        const turn = { id: ids.next(0), name, priority, delay, data };
        const count = lanes.push({ target: at, event: position, key, turn, ...dedup });
        if (dedup) deduplicated.lanes.set(count, index);
        continue;
      }
      const tail = key === undefined ? "]}" : `],"key":${JSON.stringify(key)}}`;
      const job = { id: ids.next(1), name, priority, delay, ...dedup };
      const pack = { target: at, events: [position], count: 1, job, tail };
      packs.push(pack);
      if (dedup) deduplicated.packs.set(pack, index);
    }
  }

  for (let index = 0; index < batch.length && jobs < bounds.maxJobs; index += 1) {
    const envelope = batch[index] as Envelope;
    const route = routeOf(envelope);
    routes.push(route);
    if (route.targets.length === 0) continue;
    const { priority = NORMAL_PRIORITY, delayMs = 0 } = envelope;
    const delay = Math.max(Math.ceil(delayMs), 0);
    if (
      envelope.deduplicationId !== undefined ||
      route.ordersAll ||
      (route.ordersKeys && envelope.orderingKey !== undefined)
    ) {
      runs.end();
      addAlone(envelope, index, route, encodeEnvelope(envelope), delay);
    } else {
      runs.add(envelope, route, priority, delay);
    }
  }
  runs.end();
  for (let position = 1; position < open.length; position += 1) closePack(position);
  const taken = takeBodies(bounds.bodies ? candidates : [], { texts, packs, targets, tail, ids });
  for (const pack of taken.packs) {
    const [text = 0] = pack.events;
    if (pack.events.length > 1 || !unshared.has(text)) continue;
    // What has only one target needs no putting together in Redis, where that takes longer.
    texts[text - 1] = `${targets[pack.target - 1]?.spec.head}${texts[text - 1]}${tail}`;
    delete pack.tail;
  }
  const specs = targets.map(({ spec }) => spec);
  const named = namedIn(routes, positions);
  return { texts, routes, targets: specs, named, lanes, deduplicated, ...taken };
}

/** Positions of the targets that emitters have named. */
function namedIn(
  routes: readonly Route[],
  positions: ReadonlyMap<Target, number>,
): readonly number[] {
  const named = new Set<number>();
  for (const { isNamed, targets } of routes) {
    if (isNamed) for (const target of targets) named.add(positions.get(target) as number);
  }
  return [...named];
}

/** Whether packs of two runs may be packs of one body. */
function isAlike(one: Run, other: Run): boolean {
  return one.route === other.route && one.priority === other.priority && one.delay === other.delay;
}

type Done = Extract<PublishAnswer, readonly ["done", ...unknown[]]>;

/** What became of each envelope of a batch. */
export function resultsOf(
  batch: Pick<PackedBatch, "routes" | "targets" | "packs" | "deduplicated">,
  [, orphaned, duplicatePacks, duplicateLanes]: Done,
): readonly PublishResult[] {
  const { routes, targets, packs, deduplicated } = batch;
  const orphans = new Set(orphaned.map((position) => targets[position - 1]));
  const accepted = new Map<Route, PublishResult>();
  const results = routes.map((route) => {
    let result = accepted.get(route);
    if (!result) {
      const reached = route.targets.filter(({ spec }) => !orphans.has(spec)).length;
      result = { status: "accepted", subscriptions: reached };
      accepted.set(route, result);
    }
    return result;
  });

  const dropped = new Map<number, number>();
  const drop = (index: number | undefined): void => {
    if (index !== undefined) dropped.set(index, (dropped.get(index) ?? 0) + 1);
  };
  for (const position of duplicatePacks) {
    const pack = packs[position - 1];
    if (pack) drop(deduplicated.packs.get(pack));
  }
  for (const position of duplicateLanes) drop(deduplicated.lanes.get(position));
  for (const [index, count] of dropped) {
    const result = results[index];
    if (result?.status !== "accepted") continue;
    const left = result.subscriptions - count;
    results[index] =
      left > 0
        ? { status: "accepted", subscriptions: left }
        : { status: "duplicate", subscriptions: count };
  }
  return results;
}
