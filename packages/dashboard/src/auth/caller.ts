/** A person, or a program, that uses the dashboard. */
export interface Caller {
  /** The name in the audit log. */
  readonly name: string;
  /**
   * Whether the caller may look only.
   *
   * @default false
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Permissions that events of `@busbar/webhooks` ask for, such as `customers.read`. A caller that may change
   * something has all permissions of the REST interface itself.
   *
   * @default []
   */
  readonly permissions?: readonly string[] | undefined;
}

/**
 * Finds out who sends a request, in the way of the application. Undefined, or a promise of it: the caller is not known,
 * and the request is answered with 401.
 *
 * @example
 * ```ts
 * authenticate: async (request) => {
 *   const session = await sessionOf(request.headers.get("cookie"));
 *   return session?.isAdmin ? { name: session.email } : undefined;
 * },
 * ```
 */
export type Authenticate = (request: Request) => Caller | undefined | Promise<Caller | undefined>;
