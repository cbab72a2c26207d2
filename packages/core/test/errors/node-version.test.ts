import { readFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";

const versions = Object.getOwnPropertyDescriptor(process, "versions")!;

afterEach(() => void Object.defineProperty(process, "versions", versions));

/** Imports the root entry as a Node.js of that version would. */
function importOn(node: string): Promise<unknown> {
  vi.resetModules();
  Object.defineProperty(process, "versions", {
    ...versions,
    value: { ...process.versions, node },
  });
  return import("../../src/index.ts");
}

test.each(["18.20.4", "20.18.3"])(
  "Node.js %s is refused at import, in plain words",
  async (node) => {
    await expect(importOn(node)).rejects.toThrow(
      new TypeError(
        `Busbar needs Node.js 20.19 or newer, and this is ${node}: install a newer one`,
      ),
    );
  },
);

test.each(["20.19.0", "24.0.0"])("Node.js %s is taken", async (node) => {
  await expect(importOn(node)).resolves.toHaveProperty("createEventBus");
});

test("the oldest Node.js is that of the package's engines", () => {
  const path = new URL("../../package.json", import.meta.url);
  const { engines } = JSON.parse(readFileSync(path, "utf8")) as { engines: { node: string } };
  expect(engines.node).toBe(">=20.19");
});
