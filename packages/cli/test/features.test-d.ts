import type { Outbox } from "@busbar/outbox";
import type { Webhooks } from "@busbar/webhooks";
import { expectTypeOf, test } from "vitest";
import type { OutboxFeature, WebhooksFeature } from "../src/project/features.ts";

test("the plugins have what commands use of them", () => {
  expectTypeOf<Outbox>().toExtend<OutboxFeature>();
  expectTypeOf<Webhooks>().toExtend<WebhooksFeature>();
});
