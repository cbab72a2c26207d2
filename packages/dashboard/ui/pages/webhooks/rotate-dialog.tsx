import type { VNode } from "preact";
import { useRef, useState } from "preact/hooks";
import { send } from "../../api.ts";
import { ActionDialog } from "../../components/action-dialog.tsx";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { SecretOnce } from "./secret-once.tsx";

const graces = [
  { value: "0", label: "Not at all" },
  { value: "3600000", label: "For an hour" },
  { value: "86400000", label: "For a day" },
  { value: "604800000", label: "For 7 days" },
];

/** Signs with a new secret, and shows it once. */
export function RotateDialog(props: {
  readonly path: string;
  readonly onChanged: () => Promise<void>;
  readonly onClose: () => void;
}): VNode {
  const { path, onChanged, onClose } = props;
  const [grace, setGrace] = useState("86400000");
  const [given, setGiven] = useState("");
  const [secret, setSecret] = useState<string>();
  const isRotated = useRef(false);
  if (secret !== undefined) {
    return (
      <Dialog
        title="The new secret"
        onSubmit={onClose}
        footer={
          <Button type="submit" kind="primary">
            Done
          </Button>
        }
      >
        <SecretOnce secret={secret} />
      </Dialog>
    );
  }
  const rotate = async (): Promise<void> => {
    const answer = await send<{ secret: string }>("POST", `${path}/secret`, {
      graceMs: Number(grace),
      ...(given !== "" && { secret: given }),
    });
    isRotated.current = true;
    setSecret(answer.secret);
    await onChanged();
  };
  return (
    <ActionDialog
      title="Rotate the secret?"
      action="Rotate the secret"
      run={rotate}
      onClose={() => {
        // After the rotation, the dialog stays and shows the secret.
        if (!isRotated.current) onClose();
      }}
    >
      <p>Deliveries are signed with a new secret from now on. Tell it to the receiver.</p>
      <SelectField
        label="The old secret also signs"
        value={grace}
        onChange={setGrace}
        choices={graces}
      />
      <TextField
        label="Secret"
        required={false}
        mono
        type="password"
        value={given}
        onChange={setGiven}
        hint="Empty: a secret is made at random."
      />
    </ActionDialog>
  );
}
