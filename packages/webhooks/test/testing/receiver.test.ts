import { expect, test } from "vitest";
import { type ReceiverAnswer, startReceiver } from "../../src/testing.ts";

const post = (url: string, body = "{}"): Promise<Response> =>
  fetch(url, { method: "POST", body, headers: { "webhook-id": "d1" } });

test("answers as scripted, then as otherwise says", async () => {
  await using receiver = await startReceiver({
    answers: [503, { status: 429, headers: { "retry-after": "7" }, body: "later" }],
    otherwise: ({ number }) => 200 + number,
  });
  expect((await post(receiver.url)).status).toBe(503);
  const second = await post(receiver.url);
  expect([second.status, second.headers.get("retry-after"), await second.text()]).toEqual([
    429,
    "7",
    "later",
  ]);
  expect((await post(receiver.url)).status).toBe(203);
  receiver.answer(410);
  expect((await post(receiver.url)).status).toBe(410);
});

test("records requests, and hands each out once", async () => {
  await using receiver = await startReceiver();
  const waiting = receiver.next();
  await post(`${receiver.url}hook?a=1`, '{"ü":1}');
  await post(receiver.url, '"two"');
  const first = await waiting;
  expect(first).toMatchObject({ number: 1, method: "POST", path: "/hook?a=1" });
  expect([first.headers["webhook-id"], first.json()]).toEqual(["d1", { ü: 1 }]);
  expect((await receiver.next()).json()).toBe("two");
  await receiver.received(2);
  expect(receiver.requests).toHaveLength(2);
  await expect(receiver.next(1)).rejects.toThrow("Waited 1 ms in vain for request 3: 2 have come");
});

test.each<[ReceiverAnswer, RegExp]>([
  ["reset", /fetch failed/],
  ["garbage", /fetch failed/],
  ["close-early", /terminated/],
])("misbehaves: %s", async (answer, message) => {
  await using receiver = await startReceiver({ otherwise: answer });
  await expect(post(receiver.url).then((response) => response.text())).rejects.toThrow(message);
});

test.each(["hang", "drip", "flood"] as const)("closes while it does %s", async (answer) => {
  await using receiver = await startReceiver({ otherwise: answer });
  const failed = expect(post(receiver.url).then((response) => response.text())).rejects.toThrow();
  await receiver.received(1);
  await receiver.close();
  await failed;
  expect(receiver.connections).toBe(0);
});

test("says what is wrong with its options", async () => {
  await expect(startReceiver({ anwsers: [] } as never)).rejects.toThrow(/anwsers.*answers/);
});
