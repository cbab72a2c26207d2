import type { VNode } from "preact";
import type { Guarantee } from "../../../src/contract/api.ts";
import { Badge } from "../../components/badge.tsx";
import { Panel } from "../../components/page.tsx";

/** What the provider promises of events, in words. */
export function Guarantees(props: {
  readonly provider: string;
  readonly guarantees: readonly Guarantee[];
}): VNode {
  const { provider, guarantees } = props;
  return (
    <Panel title={`Guarantees of the provider ${provider}`}>
      <ul class="guarantees">
        {guarantees.map(({ id, title, holds, detail }) => (
          <li key={id} class="stack-tight">
            <div class="row">
              <h3>{title}</h3>
              {holds ? <Badge tone="good">Yes</Badge> : <Badge>No</Badge>}
            </div>
            <p class="small muted">{detail}</p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
