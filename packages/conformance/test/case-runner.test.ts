import { expect, test } from "vitest";
import { runCase } from "../src/case-runner.ts";
import { inspect } from "../src/test-provider.ts";
import { tinyProvider } from "./support/tiny-provider.ts";

test("a case that fails says at which step, also if its end fails", async () => {
  const cleanup = (): Promise<never> => Promise.reject(new Error("the broker is gone"));
  const subject = await inspect({ create: tinyProvider });
  const failing = {
    id: "test/fails",
    group: "test",
    name: "fails",
    promise: "none",
    run: () => Promise.reject(new Error("two deliveries instead of one")),
  };

  const harness = { ...subject.harness, cleanup };
  await expect(runCase(failing, { ...subject, harness })).rejects.toThrow(
    "two deliveries instead of one; and then: the broker is gone",
  );
});
