/** Answers what is only read: other methods get a 405, and `HEAD` gets no body. */
export async function answerRead(
  request: Request,
  make: () => Promise<{
    readonly status: number;
    readonly type: string;
    readonly body: string;
  }>,
): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
  }
  const { status, type, body } = await make();
  const headers = { "content-type": type, "cache-control": "no-store" };
  return new Response(request.method === "HEAD" ? null : body, { status, headers });
}
