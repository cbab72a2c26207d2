import type { Store } from "../store/store.ts";
import type { Registry } from "./registry.ts";

/** What the parts of a started provider share. */
export interface Session extends Store {
  readonly registry: Registry;
}
