import { expect, test } from "vitest";
import { codeNames, packageNameOf, packageNameProblem } from "../../src/create/names.ts";
import { withParts } from "../../src/create/template.ts";

test("parts stay if the project has what they name", () => {
  const text = `a
  // @if outbox
  b
    // @if redis
    c
    // @end
  // @end
<!-- @if !outbox|redis -->
d
<!-- @end -->
e`;
  const kept = (...has: string[]): string => withParts(text, new Set(has)).replaceAll(/\s+/g, " ");
  expect(kept()).toBe("a d e");
  expect(kept("outbox")).toBe("a b e");
  expect(kept("redis")).toBe("a d e");
  expect(kept("outbox", "redis")).toBe("a b c d e");
});

test("a list that has one entry left is on one line", () => {
  expect(withParts("[\n  // @if a\n  1,\n  // @end\n  2,\n]", new Set())).toBe("[2]");
});

test.for([
  ["my-app", "my-app", "myApp"],
  ["@acme/busbar-big-queue", "big-queue", "bigQueue"],
  ["busbar-nats-provider", "nats", "nats"],
  ["slack.notifier", "slack", "slack"],
  ["7-eleven_shop", "eleven-shop", "elevenShop"],
  ["3d", "d", "d"],
])("%s names code %s and %s", ([name, kebab, camel]) => {
  expect(packageNameProblem(name!)).toBeUndefined();
  expect(codeNames(name!)).toEqual({ package: name, kebab, camel });
});

test.for([
  "",
  "My App",
  "@acme",
  "@acme/",
  "../up",
  ".hidden",
  "node_modules",
  "busbar",
  "42",
  "a".repeat(215),
])("%j is no name", (name) => {
  expect(packageNameProblem(name)).toBeTruthy();
});

test.for([
  ["/srv/My Shop", "my-shop"],
  ["/srv/.shop", "shop"],
  ["/srv/ü", ""],
])("the folder %s gives the name %j", ([folder, name]) => {
  expect(packageNameOf(folder!)).toBe(name);
});
