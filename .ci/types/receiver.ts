// A receiver of webhooks as a compiler sees it that knows the web and nothing of Node, as for a worker.
import {
  createVerifier,
  verifyMagentoSignature,
  WebhookVerificationError,
} from "@busbar/webhooks/verify";

declare const env: { readonly WEBHOOK_SECRET: string };
const { verify, verifyRequest } = createVerifier({ secrets: env.WEBHOOK_SECRET, fetch });

export async function receive(request: Request): Promise<Response> {
  try {
    const { id, payload } = await verifyRequest<{ readonly data: string }>(request);
    return new Response(`${id} ${payload.data}`);
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return new Response(error.reason, { status: 401 });
  }
}

export async function receiveBytes(headers: Headers, body: Uint8Array): Promise<unknown> {
  await verify(headers, body);
  return verifyMagentoSignature(headers, body, ["old", "new"]);
}
