import type { TestDatabase } from "./databases.ts";

/** What the parent says to `route-child.ts`. */
export interface RouteChildOptions {
  readonly connection: TestDatabase["connection"];
  readonly dieAt: string;
  readonly eventId: string;
}

/** Of the child, and of the process that goes on after it. */
export const ENCRYPTION_KEYS = [{ id: "test", key: Buffer.alloc(32, 7) }];
