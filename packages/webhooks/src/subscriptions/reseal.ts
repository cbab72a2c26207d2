import { isBusbarError } from "@busbar/core";
import type { WebhookStore } from "../store/webhook-store.ts";
import type { Sealer } from "./sealer.ts";

const BATCH = 100;

/** What {@link resealSecrets} has found. */
export interface Resealed {
  /** How many subscriptions were encrypted with another key, and are now with the present one. */
  readonly resealed: number;
  /** The ids of subscriptions that cannot be decrypted, as their key is missing. */
  readonly unreadable: readonly string[];
  /** Why the first of them cannot be decrypted. It names the key. */
  readonly error: unknown;
}

/**
 * Encrypts with the present key the secrets of all subscriptions that other keys have encrypted, so that these keys may
 * go. It is no change of a subscription: versions stay as they are. Safe to call in any number of processes, and again.
 * Needs no long transaction: it goes through the table in steps of 100.
 */
export async function resealSecrets(
  { own, tables }: Pick<WebhookStore, "own" | "tables">,
  sealer: Pick<Sealer, "prefix" | "reseal">,
): Promise<Resealed> {
  const { prefix } = sealer;
  const unreadable: string[] = [];
  let error: unknown;
  let resealed = 0;
  let last = "";
  for (;;) {
    const rows = await own.execute(
      `SELECT id, sealed FROM ${tables.subscriptions}
        WHERE id > $1 AND sealed IS NOT NULL AND substr(sealed, 1, ${prefix.length}) <> $2
        ORDER BY id LIMIT ${BATCH}`,
      [last, prefix],
    );
    for (const row of rows) {
      const [id, sealed] = [String(row["id"]), String(row["sealed"])];
      last = id;
      try {
        const next = sealer.reseal(id, sealed);
        // What was changed meanwhile is left alone: the change has encrypted it.
        const written = await own.execute(
          `UPDATE ${tables.subscriptions} SET sealed = $1 WHERE id = $2 AND sealed = $3 RETURNING id`,
          [next, id, sealed],
        );
        resealed += written.length;
      } catch (thrown) {
        if (!isBusbarError(thrown, "BUSBAR_INVALID_CONFIG")) throw thrown;
        unreadable.push(id);
        error ??= thrown;
      }
    }
    if (rows.length < BATCH) return { resealed, unreadable, error };
  }
}
