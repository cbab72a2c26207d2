import { insistently } from "../store/insistently.ts";
import type { Store } from "../store/store.ts";
import { isShared } from "./declarations.ts";
import type { RegistryCopy } from "./registry-copy.ts";
import type { SubscriptionRecord } from "./registry.ts";

/**
 * Lets go of queues that subscriptions had before, and of which nothing is left: nobody reads them any
 * more. What is not empty yet is looked at with the next declaration.
 */
export async function letGoOfFormerQueues(
  session: Store,
  copy: RegistryCopy,
  subscriptionIds: Iterable<string>,
): Promise<void> {
  const { keys, scripts } = session;
  for (const id of subscriptionIds) {
    const [, ...formers] = (await copy.read()).records.get(id)?.queues ?? [];
    for (const name of formers) {
      const { version, records } = await copy.read();
      const record = records.get(id);
      if (!record?.queues.slice(1).includes(name)) continue;
      const changed = { ...record, queues: record.queues.filter((queue) => queue !== name) };
      const request = {
        own: keys.own,
        version,
        subscription: id,
        record: JSON.stringify(changed),
        queue: keys.queue(name),
        ...(isShared(records, name) ? { shared: partOf(record, records) } : {}),
      };
      const written = await insistently(session, () => scripts.letGo(keys.version, request));
      if (written !== "") copy.replace(written, new Map(records).set(id, changed));
    }
  }
}

function partOf(
  { subscriptionId, scope }: SubscriptionRecord,
  records: ReadonlyMap<string, SubscriptionRecord>,
): { readonly data: readonly string[]; readonly lane: string } {
  const earlier = [...records.values()].filter(({ renamedTo }) => renamedTo === subscriptionId);
  const ids = [subscriptionId, ...earlier.map((it) => it.subscriptionId)];
  return {
    data: ids.map((id) => `{"subscription":${JSON.stringify(id)},`),
    lane: `${encodeURIComponent(scope)}:`,
  };
}
