import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { SessionView } from "../src/contract/api.ts";
import { send } from "./api.ts";
import { Button } from "./components/button.tsx";
import { TextField } from "./components/field.tsx";
import { Problem } from "./components/page.tsx";
import { Brand } from "./frame.tsx";

/** Asks for the token, or says that the application has to sign the user in. */
export function SignIn(props: {
  readonly way: SessionView["signIn"];
  readonly onDone: () => Promise<void>;
}): VNode {
  const { way, onDone } = props;
  const [token, setToken] = useState("");
  const [error, setError] = useState<Error>();
  const [isSending, setSending] = useState(false);
  useEffect(() => {
    document.title = "Sign in · Busbar";
  }, []);
  const signIn = async (): Promise<void> => {
    setSending(true);
    setError(undefined);
    try {
      await send("POST", "api/session", { token });
      await onDone();
    } catch (failure) {
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setSending(false);
  };
  return (
    <main class="sign-in stack">
      <Brand name="Busbar" />
      <h1>Sign in</h1>
      {way === "application" ? (
        <p>Sign in to the application that serves this dashboard, and then reload this page.</p>
      ) : (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void signIn();
          }}
        >
          <TextField
            label="Token"
            type="password"
            hint="The token that the dashboard was started with."
            value={token}
            onChange={setToken}
            required
          />
          <Problem error={error} />
          <div class="row">
            <Button type="submit" kind="primary" disabled={isSending || token === ""}>
              Sign in
            </Button>
          </div>
        </form>
      )}
    </main>
  );
}
