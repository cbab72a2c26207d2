import { z } from "zod";
import type { Caller } from "../auth/caller.ts";
import { isSecure, type TokenSessions } from "../auth/tokens.ts";
import type { Features, SessionView, SignIn } from "../contract/api.ts";
import { Problem } from "../http/problem.ts";
import { type AnyRoute, reads, signs } from "../http/route.ts";

/** What the routes of the session need. */
export interface SessionEnvironment {
  /** Undefined: the application authenticates. */
  readonly sessions: TokenSessions | undefined;
  readonly readOnly: boolean;
  readonly features: () => Features;
  /** The name of the bus. Undefined until it has started. */
  readonly busName: () => Promise<string | undefined>;
}

const signInSchema: z.ZodType<SignIn> = z.strictObject({ token: z.string().min(1).max(1_000) });

/** Who is signed in, and how to sign in and out. */
export function sessionRoutes(environment: SessionEnvironment): readonly AnyRoute[] {
  const { sessions, readOnly } = environment;
  const view = async (caller: Caller | undefined): Promise<SessionView> => {
    const bus = caller && (await environment.busName());
    return {
      caller: caller ? { name: caller.name, readOnly: readOnly || caller.readOnly === true } : null,
      signIn: sessions ? "token" : "application",
      features: caller ? environment.features() : { outbox: false, webhooks: false, runs: false },
      ...(bus !== undefined && { bus }),
    };
  };
  const show = reads({ path: "/session", public: true, handle: ({ caller }) => view(caller) });
  if (!sessions) return [show];
  return [
    show,
    signs<SignIn>({
      method: "POST",
      path: "/session",
      body: signInSchema,
      async handle({ body, request }) {
        const result = await sessions.signIn(body.token, isSecure(request));
        if (result === "wrong") throw new Problem("wrong-token", "This token is not valid");
        if (typeof result === "number") {
          throw new Problem("too-many-requests", `Try again in ${result} seconds`, {
            headers: { "retry-after": String(result) },
          });
        }
        const { cookie, caller } = result;
        return Response.json(await view(caller), { headers: { "set-cookie": cookie } });
      },
    }),
    signs({
      method: "DELETE",
      path: "/session",
      handle: async ({ request }) =>
        Response.json(await view(undefined), {
          headers: { "set-cookie": sessions.signOut(isSecure(request)) },
        }),
    }),
  ];
}
