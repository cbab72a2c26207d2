import { expect, test } from "vitest";

import { makeBus } from "./recording-bus.ts";
import { workflow } from "./seed-snippet.ts";

test("Medusa's snippet runs with its import paths changed", async () => {
  const { bus, container } = makeBus();

  const run = await workflow(container).run();

  expect(run.transaction.state).toBe("done");
  expect(bus.published).toMatchObject([{ name: "custom.event", data: { id: "123" } }]);
});
