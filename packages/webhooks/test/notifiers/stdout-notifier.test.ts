import { expect, test } from "vitest";
import { stdoutNotifier } from "../../src/notifiers/stdout-notifier.ts";
import { notifierRequest } from "../../src/testing.ts";

const request = (parts = {}): ReturnType<typeof notifierRequest<Record<string, never>>> =>
  notifierRequest({ destination: "stdout", settings: {}, ...parts });

test("writes a line, and waits until there is room for the next", async () => {
  const lines: string[] = [];
  let makeRoom = (): void => {};
  const notifier = stdoutNotifier({
    write: (line) => {
      lines.push(line);
      return new Promise((resolve) => {
        makeRoom = resolve;
      });
    },
  });
  let isDone = false;
  const delivered = notifier.deliver(request({ delivery: { id: "d1" } })).finally(() => {
    isDone = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isDone).toBe(false);
  makeRoom();
  expect(await delivered).toEqual({ ok: true, retryable: false });
  expect(lines).toEqual([expect.stringMatching(/^\{.*\}\n$/)]);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ deliveryid: "d1", type: "order.placed" });
});

test("a line that cannot be written is attempted again", async () => {
  const notifier = stdoutNotifier({
    write: () => Promise.reject(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  });
  expect(await notifier.deliver(request())).toMatchObject({
    ok: false,
    retryable: true,
    errorClass: "connection_reset",
  });
});

test("a reader that does not read holds up no attempt for longer than it has time", async () => {
  const lines: string[] = [];
  const notifier = stdoutNotifier({
    write: (line) => {
      lines.push(line);
      return new Promise(() => {});
    },
  });
  const controller = new AbortController();
  const delivered = notifier.deliver(request({ signal: controller.signal }));
  controller.abort();
  expect(await delivered).toMatchObject({ ok: false, retryable: true, errorClass: "interrupted" });
  expect(await notifier.deliver(request({ signal: controller.signal }))).toMatchObject({
    ok: false,
  });
  expect(lines).toHaveLength(1);
});

test("goes to standard output", async () => {
  const written: string[] = [];
  const { stdout } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = ((line: string, done: () => void) => {
    written.push(line);
    done();
    return true;
  }) as typeof stdout.write;
  try {
    expect(await stdoutNotifier().deliver(request())).toMatchObject({ ok: true });
  } finally {
    stdout.write = write;
  }
  expect(written).toEqual([expect.stringMatching(/"order\.placed".*\n$/)]);
});

test("its destination is stdout", () => {
  const notifier = stdoutNotifier();
  expect(notifier.checkDestination("stdout", {})).toBeUndefined();
  expect(notifier.checkDestination("https://shop.example", {})).toBe("be stdout");
  expect(notifier.settings["~standard"].validate({ a: 1 })).toHaveProperty("issues");
});
