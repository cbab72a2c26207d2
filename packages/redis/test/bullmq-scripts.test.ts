import { createEventBus } from "@busbar/core";
import { describe, expect, test } from "vitest";
import { redisProvider } from "../src/redis-provider.ts";
import { type BullRelease, checkBullMq, INSTALLED } from "../src/store/bullmq-scripts.ts";
import { TESTED_BULLMQ } from "../src/store/tested-bullmq.ts";

/** The installed BullMQ, with another version and some other scripts. */
function release(scripts: BullRelease["scripts"]): BullRelease {
  return { version: "6.7.9", scripts: { ...INSTALLED.scripts, ...scripts } };
}

describe("BullMQ", () => {
  test("is installed as it was tested", () => {
    expect(INSTALLED.version).toBe(TESTED_BULLMQ.version);
    expect(() => checkBullMq()).not.toThrow();
  });

  test("may be another release with the same scripts, whatever its others are", () => {
    const others = { pause: { keys: 7, content: "return 1" } };
    expect(() => checkBullMq(release(others))).not.toThrow();
  });

  test.each(Object.keys(TESTED_BULLMQ.scripts))("is refused with another text of %s", (name) => {
    const { keys = 0, content = "" } = INSTALLED.scripts[name] ?? {};
    for (const changed of [
      { keys, content: `${content}\n-- faster` },
      { keys: keys + 1, content },
      undefined,
    ]) {
      const error = caughtFrom(() => checkBullMq(release({ [name]: changed as never })));
      expect(error).toMatchObject({
        code: "BUSBAR_INVALID_CONFIG",
        details: { module: "@busbar/redis", issues: [{ path: "bullmq" }] },
      });
      const { message } = error as Error;
      for (const said of ["BullMQ 6.7.9", TESTED_BULLMQ.version, name]) {
        expect(message).toContain(said);
      }
    }
  });

  test("is looked at before Redis is", async () => {
    const scripts = INSTALLED.scripts as Record<string, { keys: number; content: string }>;
    const { moveToActive } = scripts;
    if (!moveToActive) throw new Error("moveToActive is missing");
    const { content } = moveToActive;
    moveToActive.content = `${content}\n-- faster`;
    try {
      const provider = redisProvider({ redisUrl: "redis://127.0.0.1:1" });
      const bus = createEventBus({ name: "shop", provider });
      await expect(bus.start()).rejects.toMatchObject({ code: "BUSBAR_INVALID_CONFIG" });
    } finally {
      moveToActive.content = content;
    }
  });
});

function caughtFrom(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown");
}
