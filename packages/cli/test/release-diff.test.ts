import { expect, test } from "vitest";
import { type ComparedSubscription, strandedBy } from "../src/events/release-diff.ts";

const subscription = (given: Partial<ComparedSubscription>): ComparedSubscription => ({
  subscriberId: "a",
  events: ["x"],
  ownEvents: [],
  declaredEvents: [],
  aliases: [],
  here: false,
  ready: 0,
  delayed: 0,
  inFlight: 0,
  dead: 0,
  ...given,
});

test("a subscription under a new id takes its backlog along, and strands nothing", () => {
  const changes = strandedBy([
    subscription({ subscriberId: "old", declaredEvents: ["x"], ready: 3 }),
    subscription({ subscriberId: "new", here: true, ownEvents: ["x"], aliases: ["old"] }),
    subscription({ subscriberId: "added", here: true, ownEvents: ["x", "y"] }),
    subscription({ subscriberId: "gone", declaredEvents: ["x"], ready: 1, inFlight: 1, dead: 4 }),
    subscription({
      subscriberId: "less",
      here: true,
      ownEvents: ["x"],
      declaredEvents: ["x", "y"],
    }),
  ]);
  expect(changes).toEqual({
    added: [{ subscriberId: "added", events: ["x", "y"] }],
    renamed: [{ from: "old", to: "new" }],
    stranded: [{ subscriberId: "gone", waiting: 2, dead: 4 }],
    strandedEvents: [{ subscriberId: "less", events: ["y"] }],
  });
});
