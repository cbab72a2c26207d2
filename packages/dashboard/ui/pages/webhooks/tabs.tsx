import type { VNode } from "preact";
import { href } from "../../router.ts";

const tabs = [
  { path: "/webhooks", title: "Subscriptions" },
  { path: "/webhooks/log", title: "Delivery log" },
  { path: "/webhooks/replays", title: "Replays" },
] as const;

/** Leads to the parts of the webhooks. */
export function Tabs({ current }: { readonly current: (typeof tabs)[number]["path"] }): VNode {
  return (
    <nav class="tabs" aria-label="Webhooks">
      {tabs.map(({ path, title }) => (
        <a key={path} href={href(path)} aria-current={path === current ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}
