import { expectTypeOf, test } from "vitest";
import { type AsyncEvents, defineAsyncEvents } from "../src/catalogue/define-async-events.ts";
import { webhooks } from "../src/webhooks.ts";

const shop = defineAsyncEvents({
  "sales.order.created": { resolve: ({ id }: { id: string }) => ({ id, total: 1 }) },
});
const cms = defineAsyncEvents({
  "cms.page.updated": { resolve: ({ page }: { page: number }) => page },
});

test("publish takes the declared names and their arguments", () => {
  const hooks = webhooks({ events: shop });
  void hooks.publish("sales.order.created", { id: "42" }, { scope: 3 });
  expectTypeOf(hooks.publish("sales.order.created", { id: "42" })).resolves.toEqualTypeOf<
    string | null
  >();
  // @ts-expect-error no such event
  void hooks.publish("sales.order.paid", { id: "42" });
  // @ts-expect-error the id is a string
  void hooks.publish("sales.order.created", { id: 42 });
  // @ts-expect-error no such option
  void hooks.publish("sales.order.created", { id: "42" }, { key: "x" });
  void hooks.withTransaction({}).publish("sales.order.created", { id: "42" });
});

test("definitions of several packages are merged", () => {
  const hooks = webhooks({ events: [shop, cms] });
  void hooks.publish("sales.order.created", { id: "42" });
  void hooks.publish("cms.page.updated", { page: 1 });
  // @ts-expect-error the page is a number
  void hooks.publish("cms.page.updated", { id: "42" });
});

test("without types, every name and all arguments are taken", () => {
  const events: AsyncEvents = shop;
  void webhooks({ events }).publish("anything", 1);
  void webhooks().publish("anything", 1);
});
