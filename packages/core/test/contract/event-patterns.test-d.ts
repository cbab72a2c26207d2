import { expectTypeOf, test } from "vitest";
import type {
  EventName,
  EventPattern,
  SelectedEvent,
  SelectedName,
} from "../../src/contract/event-patterns.ts";

interface Shop {
  ping: { at: number };
  order: { total: number };
  "order.placed": { orderId: string };
  "order.shipped": { carrier: string };
  "order.item.added": { sku: string };
  "orders.closed": { day: string };
}
type OnOrder = "order.placed" | "order.shipped";

test("a name stands for itself", () => {
  expectTypeOf<SelectedName<Shop, "ping">>().toEqualTypeOf<"ping">();
  expectTypeOf<SelectedName<Shop, "order">>().toEqualTypeOf<"order">();
  expectTypeOf<SelectedName<Shop, "lost">>().toEqualTypeOf<never>();
});

test("a last * is exactly one more segment", () => {
  expectTypeOf<SelectedName<Shop, "order.*">>().toEqualTypeOf<OnOrder>();
  expectTypeOf<SelectedName<Shop, "order.item.*">>().toEqualTypeOf<"order.item.added">();
  expectTypeOf<SelectedName<Shop, "ping.*">>().toEqualTypeOf<never>();
});

test("a last ** is one or more", () => {
  expectTypeOf<SelectedName<Shop, "order.**">>().toEqualTypeOf<OnOrder | "order.item.added">();
  expectTypeOf<SelectedName<Shop, "order.item.**">>().toEqualTypeOf<"order.item.added">();
});

test("a single * is everything", () => {
  expectTypeOf<SelectedName<Shop, "*">>().toEqualTypeOf<EventName<Shop>>();
});

test("a * in the middle is one segment", () => {
  expectTypeOf<SelectedName<Shop, "order.*.added">>().toEqualTypeOf<"order.item.added">();
  expectTypeOf<SelectedName<Shop, "*.placed">>().toEqualTypeOf<"order.placed">();
});

test("an array is the union", () => {
  expectTypeOf<SelectedName<Shop, readonly ["ping", "order.item.*"]>>().toEqualTypeOf<
    "ping" | "order.item.added"
  >();
  expectTypeOf<SelectedName<Shop, "ping"[]>>().toEqualTypeOf<"ping">();
});

test("events are a union that the name tells apart", () => {
  const handle = (event: SelectedEvent<Shop, "order.*">) => {
    expectTypeOf(event.id).toEqualTypeOf<string>();
    if (event.name === "order.placed") {
      expectTypeOf(event.data).toEqualTypeOf<{ orderId: string }>();
    } else {
      expectTypeOf(event.name).toEqualTypeOf<"order.shipped">();
      expectTypeOf(event.data).toEqualTypeOf<{ carrier: string }>();
    }
  };
  void handle;
});

test("only patterns that match an event can be subscribed to", () => {
  type Two = Pick<Shop, "ping" | "order.placed">;
  expectTypeOf<EventPattern<Two>>().toEqualTypeOf<
    "*" | "**" | "ping" | "order.placed" | "order.*" | "order.**" | "*.placed" | "*.*" | "*.**"
  >();
  expectTypeOf<"order.item.**">().toExtend<EventPattern<Shop>>();
  expectTypeOf<"ordr.*">().not.toExtend<EventPattern<Shop>>();
  expectTypeOf<"ping.**">().not.toExtend<EventPattern<Shop>>();
});

test("a map with any name matches every pattern", () => {
  type Any = Record<string, { id: number }>;
  expectTypeOf<SelectedName<Any, "a.b">>().toEqualTypeOf<"a.b">();
  expectTypeOf<SelectedName<Any, "a.*">>().toEqualTypeOf<string>();
  expectTypeOf<SelectedEvent<Any, "a.*">["data"]>().toEqualTypeOf<{ id: number }>();
});
