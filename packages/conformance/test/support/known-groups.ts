import assert from "node:assert/strict";
import type { EventProvider, GroupStaging, StagedEvent } from "@busbar/core/provider";
import { brokerHarness } from "./broker-harness.ts";
import type { MutantHarness } from "./mutants.ts";

/** What may be wrong with what is known of groups. */
export type KnownMistake =
  | "releases what it has staged, whatever the group holds"
  | "releases a group by the number of its events"
  | "releases what another has claimed"
  | "does not forget what it has released"
  | "stages again what a release has published"
  | "releases again what was staged meanwhile"
  | "stages events without the number of their causes";

/** What a server would know of the groups of a namespace. */
interface Server {
  /** The ids of the events of each group, in order. Undefined where not all of them are known. */
  readonly held: Map<string, readonly string[] | undefined>;
  readonly claimed: Set<string>;
  readonly tokens: Set<string>;
}

/** The provider of the tests' broker, whose instances remember what they have staged. */
export async function knownGroupsHarness(mistake?: KnownMistake): Promise<MutantHarness> {
  const harness = await brokerHarness();
  const servers = new Map<string, Server>();
  return {
    ...harness,
    create: async (request) => remembering(await harness.create(request), servers, mistake),
  };
}

function remembering(
  inner: EventProvider,
  servers: Map<string, Server>,
  mistake: KnownMistake | undefined,
): EventProvider {
  const { groups } = inner;
  assert.ok(groups);
  const own = new Map<string, readonly StagedEvent[]>();
  let server: Server = { held: new Map(), claimed: new Set(), tokens: new Set() };

  function isWhole(id: string, events: readonly StagedEvent[]): boolean {
    if (mistake === "releases what it has staged, whatever the group holds") return true;
    if (server.claimed.has(id) && mistake !== "releases what another has claimed") return false;
    const held = server.held.has(id) ? server.held.get(id) : [];
    const ids = events.map(({ envelope }) => envelope.id);
    if (mistake === "releases a group by the number of its events") {
      return held === undefined || held.length === ids.length;
    }
    return held !== undefined && JSON.stringify(held) === JSON.stringify(ids);
  }

  const staging: GroupStaging = {
    ...groups,
    async stage(id, given, options) {
      const forgets = mistake === "stages events without the number of their causes";
      const events = forgets ? given.map(withoutDepth) : given;
      const { token } = options;
      if (token !== undefined) {
        const repeats = mistake === "stages again what a release has published";
        if (server.tokens.has(token) && !repeats) return;
        server.tokens.add(token);
      }
      await groups.stage(id, events, options);
      own.set(id, [...(own.get(id) ?? []), ...events]);
      const held = server.held.has(id) ? server.held.get(id) : [];
      server.held.set(id, held && [...held, ...events.map(({ envelope }) => envelope.id)]);
    },
    async claim(options) {
      const claim = await groups.claim(options);
      if (claim) server.claimed.add(claim.eventGroupId);
      return claim;
    },
    async complete(claim, envelopes, options) {
      const results = await groups.complete(claim, envelopes, options);
      server.held.delete(claim.eventGroupId);
      server.claimed.delete(claim.eventGroupId);
      return results;
    },
    async clear(id, options) {
      own.delete(id);
      const count = await groups.clear(id, options);
      const isGone = (await groups.list()).every(({ eventGroupId }) => eventGroupId !== id);
      if (isGone) server.held.delete(id);
      // What is left need not be all that a process remembers.
      else if (count > 0) server.held.set(id, undefined);
      return count;
    },
    known: {
      take(id) {
        const events = own.get(id);
        if (mistake !== "does not forget what it has released") own.delete(id);
        return events;
      },
      async release(id, events, envelopes, { unstaged, ...options }) {
        if (!isWhole(id, events)) return undefined;
        const repeats = mistake === "releases again what was staged meanwhile";
        if (unstaged !== undefined) {
          if (server.tokens.has(unstaged) && !repeats) return undefined;
          server.tokens.add(unstaged);
        }
        await groups.clear(id, {});
        server.held.delete(id);
        return inner.publish(envelopes, options);
      },
    },
  };
  return {
    ...inner,
    start(context) {
      const { namespace } = context;
      server = servers.get(namespace) ?? server;
      servers.set(namespace, server);
      return inner.start(context);
    },
    groups: staging,
  };
}

function withoutDepth({ envelope }: StagedEvent): StagedEvent {
  const { causationDepth: _, ...metadata } = envelope.metadata;
  return { envelope: { ...envelope, metadata } };
}
