import { expect, test } from "vitest";
import { runCli } from "./support/run-cli.ts";
import { startShop, useShop } from "./support/shop.ts";

const schedules = (...argv: string[]) => runCli(["schedules", ...argv]);

test("busbar schedules lists, pauses, resumes, triggers and removes", async () => {
  const received: string[] = [];
  const bus = await startShop(useShop(), (it) =>
    it.subscribe("report.due", ({ id }) => void received.push(id), { subscriberId: "reports" }),
  );
  expect((await schedules("list")).stdout).toBe("There are no schedules.\n");
  const data = { report: "sales" };
  await bus.schedules.set("nightly", {
    cron: "0 2 * * *",
    timeZone: "Europe/Berlin",
    event: "report.due",
    data,
  });
  expect((await schedules("list")).stdout).toMatch(
    /^nightly +active +0 2 \* \* \* Europe\/Berlin +\S+Z +- +0 +report\.due$/m,
  );
  expect(await schedules("pause", "nigthly")).toMatchObject({ code: 3 });
  expect(await schedules("pause", "nightly")).toMatchObject({ code: 0 });
  expect((await schedules("show", "nightly")).stdout).toMatch(/^state +paused$/m);
  expect(await schedules("resume", "nightly")).toMatchObject({ code: 0 });
  const { stdout } = await schedules("trigger", "nightly");
  await bus.settled();
  expect(stdout).toBe(`Emitted ${received[0]}.\n`);
  expect((await schedules("show", "nightly", "--json")).json()).toMatchObject({
    id: "nightly",
    paused: false,
    schedule: { event: "report.due", data },
  });
  expect(await schedules("remove", "nightly")).toMatchObject({ code: 2 });
  expect(await schedules("remove", "nightly", "--yes")).toMatchObject({ code: 0 });
  expect(await schedules("remove", "nightly", "--yes")).toMatchObject({ code: 3 });
  expect(await schedules("show", "nightly")).toMatchObject({ code: 3 });
});

test("busbar cancel takes back what waits, and emit --to names the subscriptions", async () => {
  const received: string[] = [];
  const bus = await startShop(useShop(), (it) => {
    for (const subscriberId of ["one", "two"]) {
      it.subscribe("order.placed", () => void received.push(subscriberId), { subscriberId });
    }
  });
  const emit = ["emit", "order.placed", "{}", "--json"];
  const { json } = await runCli([...emit, "--delay", "3600000"]);
  const { id } = json() as { id: string };
  const one = await runCli(["cancel", id, "--subscriber", "one"]);
  expect(one.stdout).toBe("1 delivery cancelled.\n");
  expect((await runCli(["cancel", id, "--json"])).json()).toEqual({ eventId: id, cancelled: 1 });
  expect(await runCli(["cancel", id])).toMatchObject({ code: 3 });
  expect(await runCli([...emit, "--to", "two"])).toMatchObject({ code: 0 });
  await bus.settled();
  expect(received).toEqual(["two"]);
  expect(await runCli([...emit, "--to", "three"])).toMatchObject({ code: 3 });
});
