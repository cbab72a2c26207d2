import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { basePath } from "./router.ts";
import { useSignedIn } from "./signed-in.ts";

/** What the server answered instead of a result: a problem of RFC 9457. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The status of HTTP; 0 if the server could not be reached. */
  readonly status: number;
  /** The whole problem, with members of its own such as `issues`. */
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(status: number, message: string, problem: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

/** The method of a request that changes something. */
type Unsafe = "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * Reads JSON from the interface of the dashboard. Rejects with an {@link ApiError}.
 *
 * @param path Below the dashboard, without a slash at its start: `api/overview`.
 */
export function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  return ask<T>(path, { ...(signal && { signal }) });
}

/**
 * Sends JSON to the interface of the dashboard, and resolves with the JSON of the answer. Rejects with an
 * {@link ApiError}.
 *
 * @example
 * ```ts
 * await send("POST", "api/subscriptions/order-emails/pause", { everywhere: true });
 * ```
 */
export function send<T = unknown>(
  method: Unsafe,
  path: string,
  body: unknown = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  return ask<T>(path, {
    method,
    // A form of another site cannot send this header.
    headers: { "content-type": "application/json", "busbar-request": "1", ...headers },
    body: JSON.stringify(body),
  });
}

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`${basePath}/${path}`, { ...init, credentials: "same-origin" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, "The server cannot be reached. The page tries again by itself.");
  }
  if (response.ok) {
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
  const problem = await problemOf(response);
  const said = [problem["detail"], problem["title"]].find((text) => typeof text === "string");
  const message =
    (said as string | undefined) ?? `The server answered with status ${response.status}.`;
  if (response.status === 401) dispatchEvent(new Event("busbar-signed-out"));
  throw new ApiError(response.status, message, problem);
}

async function problemOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const body: unknown = await response.json().catch(() => undefined);
  return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
}

/** What {@link useApi} knows of a resource. */
export interface Resource<T> {
  /** The last answer. It stays while the resource is read again, and when that fails. */
  readonly data: T | undefined;
  /** Why the last request failed; undefined after one that did not. */
  readonly error: ApiError | undefined;
  /** Whether a request is under way. */
  readonly isLoading: boolean;
  /** Reads the resource again. Resolves after the answer, and never rejects. */
  readonly reload: () => Promise<void>;
}

/**
 * Reads a resource of the interface. Without a path it reads nothing. It reads the resource again
 *
 * - when the path changes,
 * - every `everyMs` milliseconds while the tab is visible, except while a request is running,
 * - when the tab becomes visible again,
 * - after the user has signed in again.
 */
export function useApi<T>(
  path: string | undefined,
  { everyMs }: { readonly everyMs?: number | undefined } = {},
): Resource<T> {
  const [state, setState] = useState<{ path?: string; data?: T; error?: ApiError }>({});
  const [isLoading, setLoading] = useState(path !== undefined);
  const running = useRef<AbortController>(null);

  const reload = useCallback(async () => {
    running.current?.abort();
    if (path === undefined) return;
    const controller = new AbortController();
    running.current = controller;
    setLoading(true);
    try {
      const data = await read<T>(path, controller.signal);
      if (!controller.signal.aborted) setState({ path, data });
    } catch (error) {
      if (controller.signal.aborted) return;
      const known = error instanceof ApiError ? error : new ApiError(0, String(error));
      setState((last) => (last.path === path ? { ...last, error: known } : { path, error: known }));
    }
    if (running.current !== controller) return;
    running.current = null;
    setLoading(false);
  }, [path]);

  useEffect(() => {
    void reload();
    return () => {
      running.current?.abort();
      running.current = null;
    };
  }, [reload]);
  useSignedIn(() => void reload());

  useEffect(() => {
    if (everyMs === undefined || path === undefined) return;
    const poll = (): void => {
      // A server that takes longer than the interval must be able to answer.
      if (document.visibilityState === "visible" && running.current === null) void reload();
    };
    const timer = setInterval(poll, everyMs);
    document.addEventListener("visibilitychange", poll);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", poll);
    };
  }, [reload, everyMs, path]);

  const isCurrent = state.path === path;
  return {
    data: isCurrent ? state.data : undefined,
    error: isCurrent ? state.error : undefined,
    isLoading: isLoading || (path !== undefined && !isCurrent),
    reload,
  };
}
