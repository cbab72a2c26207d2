import { expect, test } from "vitest";
import { formatBody, type Notifier, type NotifierResult } from "../../src/index.ts";
import { notifierRequest } from "../../src/testing.ts";
import { createVerifier } from "../../src/verify.ts";
import { newSecret } from "../../src/secrets/secret-text.ts";

/** What an author writes with public names only. */
function postingNotifier(
  post: (headers: Headers, body: Buffer) => void,
): Pick<Notifier, "deliver"> {
  return {
    async deliver(request): Promise<NotifierResult> {
      const { headers, body } = formatBody("cloudevents", request, { source: "/shop" });
      post(new Headers({ ...headers, ...request.sign(body) }), body);
      return { ok: true, retryable: false };
    },
  };
}

test("a notifier of an author signs, and a receiver verifies it", async () => {
  const secret = newSecret();
  let sent: { headers: Headers; body: Buffer } | undefined;
  const notifier = postingNotifier((headers, body) => (sent = { headers, body }));
  const now = new Date();
  await notifier.deliver(
    notifierRequest({
      destination: "https://shop.example",
      settings: {},
      secrets: [newSecret("v1a"), secret],
      delivery: { id: "delivery-1" },
      event: { name: "order.placed", data: { order: 42 } },
      now,
    }),
  );

  const verifier = createVerifier({ secrets: secret });
  expect(await verifier.verify(sent!.headers, sent!.body)).toMatchObject({
    id: "delivery-1",
    event: { name: "order.placed", data: { order: 42 } },
  });
});
