import { describe, expect, test } from "vitest";
import { runCli } from "./support/run-cli.ts";
import { startShop, useShop } from "./support/shop.ts";

describe("busbar events", () => {
  test("says what a release adds, renames and strands", async () => {
    const bus = await startShop(useShop(), (it) => {
      it.subscribe(["order.placed", "order.paid"], () => {}, { subscriberId: "send-receipt" });
      it.subscribe("order.placed", () => {}, { subscriberId: "statistics" });
    });
    await bus.emit("order.placed", 1, { delay: 3_600_000 });
    const { code, stdout } = await runCli(["events", "diff"]);
    expect(code).toBe(0);
    expect(stdout).toContain("! send-receipt still gets order.paid, and no code here handles them");
    expect(stdout).toContain(
      "! subscription statistics has no code here: 1 delivery waits, 0 dead.",
    );
    const { json } = await runCli(["events", "diff", "--json"]);
    expect(json()).toMatchObject({
      snapshot: false,
      subscriptions: { added: [], renamed: [], stranded: [{ subscriberId: "statistics" }] },
    });
  });
});
