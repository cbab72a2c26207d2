import type { KeyRing } from "../secrets/key-ring.ts";
import type { SealedParts } from "./subscription-rows.ts";

const FIELD = "sealed";

/** Encrypts what is secret of a subscription, as one text that fits no other subscription. */
export class Sealer {
  readonly #keys: Pick<KeyRing, "encrypt" | "decrypt" | "reencrypt" | "prefix">;

  constructor(keys: Pick<KeyRing, "encrypt" | "decrypt" | "reencrypt" | "prefix">) {
    this.#keys = keys;
  }

  /** What a text begins with that the present key has encrypted. */
  get prefix(): string {
    return this.#keys.prefix;
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

  /**
   * Encrypts with the present key what another has encrypted.
   *
   * @throws BusbarError `BUSBAR_INVALID_CONFIG` that names the other key, when it is not there.
   */
  reseal(subscriptionId: string, sealed: string): string {
    return this.#keys.reencrypt(sealed, { subscriptionId, field: FIELD });
  }
}
