import type { KeyRing } from "../secrets/key-ring.ts";
import type { SealedParts } from "./subscription-rows.ts";

const FIELD = "sealed";

/** Encrypts what is secret of a subscription, as one text that fits no other subscription. */
export class Sealer {
  readonly #keys: Pick<KeyRing, "encrypt" | "decrypt">;

  constructor(keys: Pick<KeyRing, "encrypt" | "decrypt">) {
    this.#keys = keys;
  }

  /** Encrypts. */
  seal(subscriptionId: string, parts: SealedParts): string {
    return this.#keys.encrypt(JSON.stringify(parts), { subscriptionId, field: FIELD });
  }

  /**
   * Decrypts what the store has.
   *
   * @param sealed Null for a deleted subscription, of which nothing secret is kept.
   * @throws BusbarError `BUSBAR_INVALID_CONFIG` that names the key, when it is not there.
   */
  open(subscriptionId: string, sealed: string | null): SealedParts {
    if (sealed === null) return { secrets: {}, settings: [] };
    return JSON.parse(this.#keys.decrypt(sealed, { subscriptionId, field: FIELD })) as SealedParts;
  }
}
