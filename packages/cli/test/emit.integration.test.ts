import { describe, expect, test } from "vitest";
import { runCli } from "./support/run-cli.ts";
import { startShop, useShop } from "./support/shop.ts";

describe("busbar emit", () => {
  test("emits to the processes of the application", async () => {
    const name = useShop();
    const received: unknown[] = [];
    const bus = await startShop(name, (it) =>
      it.subscribe(
        "order.placed",
        ({ id, data, metadata }) => {
          received.push({ id, data, tenant: metadata["tenant"] });
        },
        { subscriberId: "send-receipt" },
      ),
    );
    const { code, json } = await runCli(
      ["emit", "order.placed", "-", "--id", "e-1", "-m", "tenant=de", "--json"],
      { input: '{"orderId":"42"}' },
    );
    expect({ code, json: json() }).toEqual({ code: 0, json: { name: "order.placed", id: "e-1" } });
    await expect
      .poll(() => received)
      .toEqual([{ id: "e-1", data: { orderId: "42" }, tenant: "de" }]);
    expect((await bus.inspect()).subscriptions).toHaveLength(1);
  });
});
