import type { JsonValue } from "@busbar/core/provider";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ActionResult, DeadView } from "../../../src/contract/api.ts";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { DataEditor, DataFaults } from "../../components/data-editor.tsx";
import { faultsOf } from "../../components/schema-form.tsx";
import { useToast } from "../../components/toast-context.ts";
import { letterPath } from "./dead-letters.ts";

/** Replays a dead letter with data that the user has repaired. */
export function EditDialog(props: {
  readonly letter: DeadView;
  readonly onDone: () => void;
  readonly onClose: () => void;
}): VNode {
  const { letter, onDone, onClose } = props;
  const { subscriberId, id, event, schema } = letter;
  const showToast = useToast();
  const [data, setData] = useState<JsonValue | undefined>(event.data);
  const [failure, setFailure] = useState<unknown>();
  const { byPointer, others } = faultsOf(failure, "#/data");
  const replay = async (): Promise<void> => {
    setFailure(undefined);
    try {
      const body = { data: data ?? null };
      await send<ActionResult>("POST", `${letterPath(subscriberId, id)}/replay`, body);
    } catch (error) {
      setFailure(error);
      throw error;
    }
    showToast(`Replayed ${event.name} to ${subscriberId} with the new data.`);
    onDone();
  };
  return (
    <ActionDialog
      title={`Edit and replay ${event.name}`}
      action="Replay with this data"
      wide
      run={replay}
      onClose={onClose}
      showsProblem={false}
    >
      <p>
        {subscriberId} gets the event with this data, under the same id.
        {schema === null
          ? " The event has no schema that can be shown."
          : " The bus checks the data against the schema first."}
      </p>
      <DataEditor schema={schema} value={data} onChange={setData} faults={byPointer} />
      <DataFaults faults={byPointer} others={others} />
    </ActionDialog>
  );
}
