import type { Clock, Timer } from "../contract/clock.ts";
import type { ClearGroupOptions } from "../contract/event-bus-module.ts";
import type {
  Envelope,
  GroupClaim,
  GroupStaging,
  PublishOptions,
  PublishResult,
  StagedEvent,
  StagedGroup,
} from "../contract/provider.ts";
import { BusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";

/** Options of {@link MemoryGroupStaging}. */
export interface MemoryGroupStagingOptions {
  /** What leases and expiry go by. */
  readonly clock: Clock;
  /** Publishes what a release lets go. Resolves with one result per envelope. */
  readonly publish: (
    envelopes: readonly Envelope[],
    options: PublishOptions,
  ) => Promise<readonly PublishResult[]>;
  /** Called when a group has expired, with the number of events that expired with the group. */
  readonly onExpired?: ((eventGroupId: string, count: number) => void) | undefined;
}

interface Staged {
  readonly event: StagedEvent;
  /** Its release was asked for. */
  marked: boolean;
}

interface Group {
  staged: Staged[];
  /** By the wall clock: people read it. */
  readonly stagedAt: number;
  /** On the clock's monotonic scale, as all that follows. */
  lastStagedAt: number;
  ttlMs: number | undefined;
  timer: Timer | undefined;
  claim: Claim | undefined;
}

interface Claim {
  readonly token: string;
  readonly staged: readonly Staged[];
  readonly endsAt: number;
  /** Its events are on their way: no other claim, whatever the lease says. */
  publishing: boolean;
}

/**
 * Stages groups in the memory of this process, for a provider that is not durable and has no staging
 * of its own. Events whose release was asked for do not expire, and `clear` and `cancel` skip the
 * events of a claim.
 */
export class MemoryGroupStaging implements GroupStaging {
  readonly #options: MemoryGroupStagingOptions;
  readonly #groups = new Map<string, Group>();
  #lastToken = 0;

  constructor(options: MemoryGroupStagingOptions) {
    this.#options = options;
  }

  async stage(
    eventGroupId: string,
    events: readonly StagedEvent[],
    { ttlMs }: { readonly ttlMs?: number | undefined },
  ): Promise<void> {
    if (events.length === 0) return;
    const group = this.#groups.get(eventGroupId) ?? this.#addGroup(eventGroupId);
    for (const event of events) group.staged.push({ event, marked: false });
    group.lastStagedAt = this.#options.clock.monotonic();
    group.ttlMs = ttlMs ?? group.ttlMs;
    this.#setTimer(eventGroupId, group);
  }

  async mark(eventGroupId: string): Promise<void> {
    for (const staged of this.#groups.get(eventGroupId)?.staged ?? []) staged.marked = true;
  }

  async claim({
    eventGroupId,
    leaseMs,
  }: {
    readonly eventGroupId?: string | undefined;
    readonly leaseMs: number;
  }): Promise<GroupClaim | undefined> {
    const ids = eventGroupId === undefined ? this.#groups.keys() : [eventGroupId];
    for (const id of ids) {
      const group = this.#groups.get(id);
      const marked = group?.staged.filter((staged) => staged.marked) ?? [];
      if (!group || marked.length === 0 || this.#isClaimed(group)) continue;
      const token = String(++this.#lastToken);
      const endsAt = this.#options.clock.monotonic() + leaseMs;
      group.claim = { token, staged: marked, endsAt, publishing: false };
      return { eventGroupId: id, events: marked.map(({ event }) => event), token };
    }
    return undefined;
  }

  async complete(
    { eventGroupId, token }: GroupClaim,
    envelopes: readonly Envelope[],
    options: PublishOptions,
  ): Promise<readonly PublishResult[]> {
    const group = this.#groups.get(eventGroupId);
    const claim = group?.claim;
    if (!group || claim?.token !== token) {
      const message = `The claim on group ${quoted(eventGroupId)} has ended, and another may have its events`;
      throw new BusbarError("BUSBAR_UNAVAILABLE", message, { provider: "memory" });
    }
    claim.publishing = true;
    let results: readonly PublishResult[] = [];
    try {
      if (envelopes.length > 0) results = await this.#options.publish(envelopes, options);
    } finally {
      claim.publishing = false;
    }
    const kept = rejectedOf(claim.staged, envelopes, results);
    const gone = new Set(claim.staged.filter((staged) => !kept.has(staged)));
    group.claim = undefined;
    this.#remove(eventGroupId, group, gone);
    return results;
  }

  async abandon({ eventGroupId, token }: GroupClaim): Promise<void> {
    const group = this.#groups.get(eventGroupId);
    if (group?.claim?.token === token) group.claim = undefined;
  }

  async clear(eventGroupId: string, { eventNames, stepIds }: ClearGroupOptions): Promise<number> {
    const group = this.#groups.get(eventGroupId);
    if (!group) return 0;
    return this.#removeUnclaimed(
      eventGroupId,
      group,
      ({ name, metadata: { stepId } }) =>
        (!eventNames || eventNames.includes(name)) &&
        (!stepIds || (stepId !== undefined && stepIds.includes(stepId))),
    );
  }

  /** Deletes the events with an id from all groups. Resolves with how many. */
  async cancel(eventId: string): Promise<number> {
    let count = 0;
    for (const [eventGroupId, group] of this.#groups) {
      count += this.#removeUnclaimed(eventGroupId, group, ({ id }) => id === eventId);
    }
    return count;
  }

  async list(): Promise<readonly StagedGroup[]> {
    return Array.from(this.#groups, ([eventGroupId, { staged, stagedAt }]) => ({
      eventGroupId,
      events: staged.length,
      stagedAt,
      marked: staged.some((it) => it.marked),
    }));
  }

  /** Leaves no timer behind. What is staged is gone with the process: `list` it before. */
  close(): void {
    for (const { timer } of this.#groups.values()) timer?.cancel();
    this.#groups.clear();
  }

  #addGroup(eventGroupId: string): Group {
    const { clock } = this.#options;
    const group: Group = {
      staged: [],
      stagedAt: clock.now(),
      lastStagedAt: clock.monotonic(),
      ttlMs: undefined,
      timer: undefined,
      claim: undefined,
    };
    this.#groups.set(eventGroupId, group);
    return group;
  }

  #isClaimed({ claim }: Group): boolean {
    return (
      claim !== undefined && (claim.publishing || claim.endsAt > this.#options.clock.monotonic())
    );
  }

  /** Returns how many. */
  #removeUnclaimed(
    eventGroupId: string,
    group: Group,
    isUnwanted: (envelope: StagedEvent["envelope"]) => boolean,
  ): number {
    const claimed = new Set(this.#isClaimed(group) ? group.claim?.staged : undefined);
    const gone = group.staged.filter(
      (staged) => !claimed.has(staged) && isUnwanted(staged.event.envelope),
    );
    this.#remove(eventGroupId, group, new Set(gone));
    return gone.length;
  }

  #remove(eventGroupId: string, group: Group, gone: ReadonlySet<Staged>): void {
    group.staged = group.staged.filter((staged) => !gone.has(staged));
    if (group.staged.length > 0) return;
    group.timer?.cancel();
    this.#groups.delete(eventGroupId);
  }

  /** One timer per group, which looks again when events have come meanwhile. */
  #setTimer(eventGroupId: string, group: Group): void {
    if (group.ttlMs === undefined || group.timer) return;
    const { clock } = this.#options;
    const delayMs = Math.max(0, group.lastStagedAt + group.ttlMs - clock.monotonic());
    group.timer = clock.setTimeout(() => {
      group.timer = undefined;
      if (group.lastStagedAt + (group.ttlMs ?? 0) > clock.monotonic())
        this.#setTimer(eventGroupId, group);
      else this.#expire(eventGroupId, group);
    }, delayMs);
  }

  #expire(eventGroupId: string, group: Group): void {
    const gone = group.staged.filter((staged) => !staged.marked);
    this.#remove(eventGroupId, group, new Set(gone));
    if (gone.length > 0) this.#options.onExpired?.(eventGroupId, gone.length);
  }
}

/** Those of a claim's events whose envelopes were rejected. */
function rejectedOf(
  claimed: readonly Staged[],
  envelopes: readonly Envelope[],
  results: readonly PublishResult[],
): Set<Staged> {
  const rejected = new Set<Staged>();
  if (results.every(({ status }) => status !== "rejected")) return rejected;
  // Two events may have one id; then the first envelope with it is the first of them.
  const byId = new Map<string, Staged[]>();
  for (const staged of claimed) {
    const { id } = staged.event.envelope;
    const others = byId.get(id);
    if (others) others.push(staged);
    else byId.set(id, [staged]);
  }
  for (const [index, { id }] of envelopes.entries()) {
    const staged = byId.get(id)?.shift();
    if (staged && results[index]?.status === "rejected") rejected.add(staged);
  }
  return rejected;
}
