import { describe, expect, test } from "vitest";
import type { Secret } from "../../src/contract/subscription.ts";
import { activeSecrets, rotateSecrets } from "../../src/secrets/rotation.ts";
import { newSecret, secretFrom } from "../../src/secrets/secret-text.ts";

const DAY_MS = 86_400_000;
const now = new Date("2026-11-30T12:00:00Z");
const after = (ms: number) => new Date(now.getTime() + ms);
const secret = (expiresAt: Date | null = null): Secret => ({
  ...secretFrom(newSecret(), new Date(0)),
  expiresAt,
});

describe("rotateSecrets", () => {
  test("keeps the previous secret for a day", () => {
    const [old, next] = [secret(), secret()];
    const rotated = rotateSecrets([old], next, { now });

    expect(rotated).toEqual([next, { ...old, expiresAt: after(DAY_MS) }]);
    expect(activeSecrets(rotated, after(DAY_MS - 1))).toHaveLength(2);
    expect(activeSecrets(rotated, after(DAY_MS))).toEqual([next]);
  });

  test("ends every previous secret at once without a grace", () => {
    const next = secret();

    expect(rotateSecrets([secret(), secret(after(DAY_MS))], next, { now, graceMs: 0 })).toEqual([
      next,
    ]);
  });

  test("never lets a secret live longer than it was to, and leaves out what has expired", () => {
    const [next, old, ending, ended] = [secret(), secret(), secret(after(5)), secret(now)];
    const rotated = rotateSecrets([old, ending, ended], next, { now, graceMs: 10 });

    expect(rotated).toEqual([next, { ...old, expiresAt: after(10) }, ending]);
  });

  test("cuts the grace of earlier rotations to its own", () => {
    const [next, old, earlier] = [secret(), secret(), secret(after(7 * DAY_MS))];
    const rotated = rotateSecrets([old, earlier], next, { now, graceMs: 1 });

    expect(rotated.map(({ expiresAt }) => expiresAt)).toEqual([null, after(1), after(1)]);
  });

  test("holds ten secrets, and makes room when all previous ones end", () => {
    const ten = Array.from({ length: 9 }).reduce<readonly Secret[]>(
      (secrets) => rotateSecrets(secrets, secret(), { now }),
      [secret()],
    );

    expect(ten).toHaveLength(10);
    expect(() => rotateSecrets(ten, secret(), { now })).toThrow(
      expect.objectContaining({
        code: "BUSBAR_INVALID_REQUEST",
        details: {
          issues: [
            { path: "graceMs", reason: "must be 0, as 10 secrets are in use: that ends them all" },
          ],
        },
      }),
    );
    expect(rotateSecrets(ten, secret(), { now, graceMs: 0 })).toHaveLength(1);
  });

  test.each([-1, 7 * DAY_MS + 1, 0.5, Number.NaN, Infinity])(
    "refuses a grace of %d ms",
    (graceMs) => {
      expect(() => rotateSecrets([secret()], secret(), { now, graceMs })).toThrow(
        /graceMs must be/,
      );
    },
  );

  test("refuses a secret that is in use, without naming it", () => {
    const old = secret();
    let message = "";
    try {
      rotateSecrets([old], { ...secret(), value: old.value }, { now });
    } catch (error) {
      message = (error as Error).message;
    }

    expect(message).toContain("secret must be a new one");
    expect(message).not.toContain(old.value);
  });
});
