import type { ComponentType } from "preact";
import type { Features } from "../src/contract/api.ts";

/** A page of the dashboard. */
export interface PageEntry {
  /** Below `basePath`. The page is also shown for longer paths, such as `/events/order.placed`. */
  readonly path: string;
  /** The name in the navigation. */
  readonly title: string;
  /** Whether the page is there. Absent: always. */
  readonly needs?: keyof Features;
  /** Loads the page when it is opened for the first time. */
  readonly load: () => Promise<{ readonly Content: ComponentType }>;
}

/** The pages, in the order of the navigation. */
export const pages: readonly PageEntry[] = [
  { path: "/", title: "Overview", load: () => import("./pages/overview.tsx") },
  { path: "/events", title: "Events", load: () => import("./pages/events.tsx") },
  {
    path: "/subscriptions",
    title: "Subscriptions",
    load: () => import("./pages/subscriptions.tsx"),
  },
  { path: "/schedules", title: "Schedules", load: () => import("./pages/schedules.tsx") },
  {
    path: "/dead-letters",
    title: "Dead letters",
    load: () => import("./pages/dead-letters.tsx"),
  },
  {
    path: "/webhooks",
    title: "Webhooks",
    needs: "webhooks",
    load: () => import("./pages/webhooks.tsx"),
  },
  { path: "/outbox", title: "Outbox and groups", load: () => import("./pages/outbox.tsx") },
  { path: "/workflows", title: "Workflows", load: () => import("./pages/workflows.tsx") },
  { path: "/actions", title: "Actions", load: () => import("./pages/actions.tsx") },
];
