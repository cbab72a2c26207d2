import { expect, test } from "vitest";
import { runCli } from "./support/run-cli.ts";
import { useShop } from "./support/shop.ts";

test("busbar dashboard serves the page behind a link that signs in, and ends with Ctrl-C", async () => {
  useShop();
  const ended = new AbortController();
  let output = "";
  const running = runCli(["dashboard", "--port", "0", "--read-only", "--json"], {
    signal: ended.signal,
    onOutput: (text) => void (output += text),
  });
  await expect.poll(() => output, { timeout: 8_000 }).toContain("\n");
  const { origin, link } = JSON.parse(output) as { origin: string; link: string };
  expect((await fetch(`${origin}/api/overview`)).status).toBe(401);
  const signedIn = await fetch(link, { redirect: "manual" });
  const cookie = signedIn.headers.get("set-cookie")!.split(";")[0]!;
  const session = await fetch(`${origin}/api/session`, { headers: { cookie } });
  expect(await session.json()).toMatchObject({ caller: { readOnly: true } });
  ended.abort();
  expect(await running).toMatchObject({ code: 0 });
  await expect(fetch(origin)).rejects.toThrow();
});

test("busbar dashboard needs events outside of its own process", async () => {
  const { code } = await runCli(["dashboard", "--port", "0"], { project: "memory" });
  expect(code).toBe(4);
});
