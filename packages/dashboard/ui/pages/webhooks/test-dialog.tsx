import type { JsonValue } from "@busbar/core/provider";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { send, useApi } from "../../api.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { TextField } from "../../components/field.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Problem } from "../../components/page.tsx";
import { JsonField } from "../../components/schema-form.tsx";
import { formatDuration } from "../../format.ts";
import type { CatalogueView, TestView, WebhookView } from "./views.ts";

/** Sends an example to the destination of a subscription, and shows how the attempt has ended. */
export function TestDialog(props: {
  readonly webhook: WebhookView;
  readonly path: string;
  readonly onClose: () => void;
}): VNode {
  const { webhook, path, onClose } = props;
  const events = useApi<{ readonly items: readonly CatalogueView[] }>("api/webhooks/events");
  const [event, setEvent] = useState("");
  const [payload, setPayload] = useState<JsonValue>();
  const [result, setResult] = useState<TestView>();
  const [error, setError] = useState<Error>();
  const [isRunning, setRunning] = useState(false);
  const test = async (): Promise<void> => {
    if (isRunning) return;
    setRunning(true);
    setError(undefined);
    setResult(undefined);
    try {
      const body = { ...(event !== "" && { event }), ...(payload !== undefined && { payload }) };
      setResult(await send<TestView>("POST", `${path}/test`, body));
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setRunning(false);
  };
  return (
    <Dialog
      title={`Send a test to ${webhook.label ?? webhook.destination}`}
      wide
      onClose={onClose}
      onSubmit={() => void test()}
      footer={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button type="submit" kind="primary" disabled={isRunning}>
            {isRunning ? "Sending…" : "Send the test"}
          </Button>
        </>
      }
    >
      <p>
        The notifier sends one attempt now, signed as every delivery is. The delivery log does not
        have tests.
      </p>
      <TextField
        label="Event"
        required={false}
        value={event}
        onChange={setEvent}
        hint="Empty: the first event of the catalogue that the subscription wants."
        suggestions={events.data?.items.map(({ name }) => name) ?? []}
      />
      <JsonField
        label="Payload"
        required={false}
        value={payload}
        onChange={setPayload}
        hint="Empty: the example of the event."
      />
      <Problem error={error} />
      {result && <Result of={result} />}
    </Dialog>
  );
}

function Result({ of }: { readonly of: TestView }): VNode {
  const { ok, status, errorClass, error, durationMs, response, requestHeaders } = of;
  return (
    <section class="stack-tight" role="status" aria-label="Result of the test">
      <div class="row">
        <Badge tone={ok ? "good" : "bad"}>{ok ? "Delivered" : "Failed"}</Badge>
        <span>
          {[status, errorClass].filter((word) => word !== undefined).join(" ")} after{" "}
          {formatDuration(durationMs)}
        </span>
      </div>
      {error !== undefined && <p class="pre-line">{error}</p>}
      {response !== undefined && response !== "" && <pre class="json">{response}</pre>}
      {requestHeaders && <JsonView label="the headers of the request" value={requestHeaders} />}
    </section>
  );
}
