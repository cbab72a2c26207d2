import type { VNode } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { CallerView, SessionView } from "../src/contract/api.ts";
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
import { SignIn, SignInAgain } from "./sign-in.tsx";
import { announceSignedIn } from "./signed-in.ts";

type SignedIn = SessionView & { readonly caller: CallerView };

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
    announceSignedIn();
  }, [session.reload]);

  const { data, error } = session;
  // After the session has ended, the page stays as it is: it may have what the user has written.
  const kept = useRef<SignedIn>(undefined);
  if (data?.caller) kept.current = { ...data, caller: data.caller };
  const shown = kept.current;
  if (shown === undefined) {
    if (data !== undefined) return <SignIn way={data.signIn} onDone={renew} />;
    return <main class="main">{error ? <Problem error={error} /> : <Loading />}</main>;
  }
  const { caller, features, signIn, bus = "" } = shown;
  const isAway = isSignedOut || data?.caller === null;
  return (
    <>
      <div key={caller.name} class={isAway ? "away" : undefined}>
        <SessionContext.Provider value={{ caller, features, bus }}>
          <NowProvider>
            <ToastProvider>
              <ConfirmProvider>
                <Frame canSignOut={signIn === "token"}>
                  <OpenPage />
                </Frame>
              </ConfirmProvider>
            </ToastProvider>
          </NowProvider>
        </SessionContext.Provider>
      </div>
      {isAway && <SignInAgain way={signIn} onDone={renew} />}
    </>
  );
}
