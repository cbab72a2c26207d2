import type { VNode } from "preact";
import type { RunList } from "../../src/contract/api.ts";
import { useApi } from "../api.ts";
import { JsonView } from "../components/json-view.tsx";
import { Empty, Loading, Page, Panel, Problem } from "../components/page.tsx";
import { useSession } from "../session.ts";

const renewMs = 5_000;

/** The runs of workflows that the run store knows. */
export function Content(): VNode {
  const { features } = useSession();
  const list = useApi<RunList>(features.runs ? "api/runs" : undefined, { everyMs: renewMs });
  return (
    <Page title="Workflows" lead="The last runs that the run store knows.">
      {features.runs ? (
        <>
          <Problem error={list.error} />
          {list.data === undefined && list.error === undefined && <Loading />}
          {list.data?.runs.length === 0 && <Empty title="No runs yet" />}
          {list.data?.runs.map((run, index) => {
            const title = typeof run["id"] === "string" ? run["id"] : `Run ${index + 1}`;
            return (
              <Panel key={title} title={title}>
                <JsonView label="the run" value={run} />
              </Panel>
            );
          })}
        </>
      ) : (
        <Empty title="This bus has no run store">
          Workflows run in the process that starts them, and leave no record. Pass a store as the
          option `runs` of the dashboard to see runs here.
        </Empty>
      )}
    </Page>
  );
}
