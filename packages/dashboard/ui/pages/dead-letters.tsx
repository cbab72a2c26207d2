import type { VNode } from "preact";
import { usePlace } from "../router.ts";
import { DeadLetterDetails } from "./dead-letters/dead-letter-details.tsx";
import { DeadLetterList } from "./dead-letters/dead-letter-list.tsx";

/** The deliveries that ended dead: find them, see why they died, and replay or discard them. */
export function Content(): VNode {
  const { path } = usePlace();
  const [subscriberId, id] = path.split("/").slice(2).map(decoded);
  if (!subscriberId || !id) return <DeadLetterList />;
  return <DeadLetterDetails key={path} subscriberId={subscriberId} id={id} />;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A user has typed the address.
    return part;
  }
}
