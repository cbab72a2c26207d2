import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { send, useApi } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { Loading, Page, Problem } from "../../components/page.tsx";
import { useToast } from "../../components/toast-context.ts";
import { go, href } from "../../router.ts";
import { SecretOnce } from "./secret-once.tsx";
import { newDraft, SubscriptionForm, type Draft } from "./subscription-form.tsx";
import type { CreatedWebhook, NotifierView, WebhookView } from "./views.ts";

function useNotifiers(): {
  readonly notifiers: readonly NotifierView[] | undefined;
  readonly error: Error | undefined;
} {
  const { data, error } = useApi<{ readonly items: readonly NotifierView[] }>(
    "api/webhooks/notifiers",
  );
  return { notifiers: data?.items, error };
}

/** Creates a webhook subscription, and shows its secret once. */
export function NewPage(): VNode {
  const { notifiers, error } = useNotifiers();
  const showToast = useToast();
  const [created, setCreated] = useState<CreatedWebhook>();
  const open = ({ id }: WebhookView): void =>
    go(href(`/webhooks/subscriptions/${encodeURIComponent(id)}`));
  const create = async ({ secret, ...draft }: Draft): Promise<void> => {
    const body = { ...draft, ...(secret !== "" && { secret }) };
    const webhook = await send<CreatedWebhook>("POST", "api/webhooks/subscriptions", body);
    showToast("The webhook subscription is created.");
    if (webhook.secret === null) open(webhook);
    else setCreated(webhook);
  };
  return (
    <Page
      title="New webhook subscription"
      lead={<a href={href("/webhooks")}>All webhook subscriptions</a>}
    >
      <Problem error={error} />
      {notifiers === undefined ? (
        error === undefined && <Loading />
      ) : (
        <SubscriptionForm
          notifiers={notifiers}
          initial={newDraft}
          isNew
          action="Create the subscription"
          submit={create}
        />
      )}
      {created && created.secret !== null && (
        <Dialog
          title="The secret of the subscription"
          onSubmit={() => open(created)}
          footer={
            <Button type="submit" kind="primary">
              Open the subscription
            </Button>
          }
        >
          <SecretOnce secret={created.secret} />
        </Dialog>
      )}
    </Page>
  );
}

/** Changes a webhook subscription. */
export function EditPage({ id }: { readonly id: string }): VNode {
  const { notifiers, error } = useNotifiers();
  const showToast = useToast();
  const path = `api/webhooks/subscriptions/${encodeURIComponent(id)}`;
  const page = href(`/webhooks/subscriptions/${encodeURIComponent(id)}`);
  const webhook = useApi<WebhookView>(path);
  const save = async (draft: Draft): Promise<void> => {
    // Another request rotates the secret; JSON leaves it out here.
    const change = { ...draft, secret: undefined };
    await send("PATCH", path, change, { "if-match": `"${webhook.data?.version}"` });
    showToast("The webhook subscription is saved.");
    go(page);
  };
  const failure = webhook.error ?? error;
  return (
    <Page
      title={`Edit ${webhook.data?.label ?? webhook.data?.destination ?? "the subscription"}`}
      lead={<a href={page}>Back to the subscription</a>}
    >
      <Problem error={failure} />
      {webhook.data === undefined || notifiers === undefined ? (
        failure === undefined && <Loading />
      ) : (
        <SubscriptionForm
          notifiers={notifiers}
          initial={draftOf(webhook.data)}
          isNew={false}
          action="Save"
          submit={save}
        />
      )}
    </Page>
  );
}

/** What of a subscription can be changed. */
function draftOf(webhook: WebhookView): Draft {
  const known = Object.keys(newDraft) as (keyof Draft)[];
  const draft = Object.fromEntries(
    known.map((name) => [name, name === "secret" ? "" : webhook[name as keyof WebhookView]]),
  );
  return draft as unknown as Draft;
}
