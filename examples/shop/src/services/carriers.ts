import { PermanentError } from "@busbar/core";

/** Who carries parcels to which country. */
export class Carriers {
  readonly #byCountry = new Map([["DE", "DHL"]]);

  add(country: string, carrier: string): void {
    this.#byCountry.set(country, carrier);
  }

  to(country: string): string {
    const carrier = this.#byCountry.get(country);
    // No retry finds a carrier: somebody has to add one.
    if (carrier === undefined) throw new PermanentError(`no carrier goes to ${country}`);
    return carrier;
  }
}
