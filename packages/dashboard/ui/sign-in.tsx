import type { ComponentChildren, VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { SessionView } from "../src/contract/api.ts";
import { send } from "./api.ts";
import { Button } from "./components/button.tsx";
import { Dialog } from "./components/dialog.tsx";
import { TextField } from "./components/field.tsx";
import { Problem } from "./components/page.tsx";
import { Brand } from "./frame.tsx";

/** Properties of {@link SignIn} and {@link SignInAgain}. */
export interface SignInProps {
  /** How users sign in. */
  readonly way: SessionView["signIn"];
  /** Called when the user has signed in, or says so. */
  readonly onDone: () => Promise<void>;
}

/** A page that asks for the token, or says that the application has to sign the user in. */
export function SignIn(props: SignInProps): VNode {
  const form = useSignIn(props);
  useEffect(() => {
    document.title = "Sign in · Busbar";
  }, []);
  return (
    <main class="sign-in stack">
      <Brand name="Busbar" />
      <h1>Sign in</h1>
      {props.way === "application" ? (
        <p>Sign in to the application that serves this dashboard, and then reload this page.</p>
      ) : (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void form.submit();
          }}
        >
          {form.fields}
          <div class="row">{form.button}</div>
        </form>
      )}
    </main>
  );
}

/** A dialog above the page whose session has ended: what the user has written on the page stays. */
export function SignInAgain(props: SignInProps): VNode {
  const form = useSignIn(props);
  return (
    <Dialog title="Sign in again" onSubmit={() => void form.submit()} footer={form.button}>
      <p>Your session has ended. What you have written on the page is still there.</p>
      {form.fields}
    </Dialog>
  );
}

function useSignIn({ way, onDone }: SignInProps): {
  readonly fields: ComponentChildren;
  readonly button: VNode;
  readonly submit: () => Promise<void>;
} {
  const [token, setToken] = useState("");
  const [error, setError] = useState<Error>();
  const [isSending, setSending] = useState(false);
  const isToken = way === "token";
  const submit = async (): Promise<void> => {
    setSending(true);
    setError(undefined);
    try {
      if (isToken) await send("POST", "api/session", { token });
      await onDone();
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setSending(false);
  };
  const fields = isToken ? (
    <>
      <TextField
        label="Token"
        type="password"
        hint="The token that the dashboard was started with."
        value={token}
        onChange={setToken}
        required
      />
      <Problem error={error} />
    </>
  ) : (
    <p>
      Sign in to the application that serves this dashboard, in another tab. Then continue here.
    </p>
  );
  const button = (
    <Button type="submit" kind="primary" disabled={isSending || (isToken && token === "")}>
      {isToken ? "Sign in" : "Continue"}
    </Button>
  );
  return { fields, button, submit };
}
