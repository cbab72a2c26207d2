import type { VNode } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { SessionView } from "../src/contract/api.ts";
import { useApi } from "./api.ts";
import { ConfirmProvider } from "./components/confirm.tsx";
import { Loading, Problem } from "./components/page.tsx";
import { ToastProvider } from "./components/toast.tsx";
import { Frame } from "./frame.tsx";
import { guardForms } from "./guard-forms.ts";
import { NowProvider } from "./now.tsx";
import { OpenPage } from "./open-page.tsx";
import { followLinks } from "./router.ts";
import { SessionContext } from "./session.ts";
import { SignIn } from "./sign-in.tsx";

/** The whole dashboard: the form to sign in, or the frame with a page. */
export function App(): VNode {
  useEffect(followLinks, []);
  useEffect(guardForms, []);
  const session = useApi<SessionView>("api/session");
  const [isSignedOut, setSignedOut] = useState(false);
  useEffect(() => {
    const signOut = (): void => setSignedOut(true);
    addEventListener("busbar-signed-out", signOut);
    return () => removeEventListener("busbar-signed-out", signOut);
  }, []);
  const renew = useCallback(async () => {
    await session.reload();
    setSignedOut(false);
  }, [session.reload]);

  const { data, error } = session;
  if (data === undefined) {
    return <main class="main">{error ? <Problem error={error} /> : <Loading />}</main>;
  }
  const { caller, features, signIn, bus = "" } = data;
  if (caller === null || isSignedOut) return <SignIn way={signIn} onDone={renew} />;
  return (
    <SessionContext.Provider value={{ caller, features, bus }}>
      <NowProvider>
        <ToastProvider>
          <ConfirmProvider>
            <Frame canSignOut={signIn === "token"} onSignOut={renew}>
              <OpenPage />
            </Frame>
          </ConfirmProvider>
        </ToastProvider>
      </NowProvider>
    </SessionContext.Provider>
  );
}
