import type { TestDatabase } from "./databases.ts";

/** What `replay-child.ts` is told. */
export interface ReplayChildOptions {
  readonly connection: TestDatabase["connection"];
  /** The point at which the process kills itself. */
  readonly dieAt: "before the commit" | "after the commit";
  readonly leaseMs: number;
}
