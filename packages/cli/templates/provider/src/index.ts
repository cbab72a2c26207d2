import { defineEventModule } from "@busbar/core/provider";
import { acmeProvider } from "./acme-provider.ts";

export { acmeProvider };

/** What a configuration names: `modules: [{ resolve: "busbar-acme" }]`. */
export default defineEventModule({ name: "busbar-acme", provider: () => acmeProvider() });
