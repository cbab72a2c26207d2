import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { handleSignals, type ShutdownSignal, type SignalProcess } from "../../src/app/signals.ts";
import { silentLogger } from "../../src/contract/logger.ts";

/** A process that notes how it would have ended. */
class FakeProcess extends EventEmitter implements SignalProcess {
  readonly pid: number;
  readonly end: Promise<string>;
  #ended: (how: string) => void = () => {};

  constructor(pid = 4711) {
    super();
    this.pid = pid;
    this.end = new Promise((resolve) => (this.#ended = resolve));
  }

  kill(pid: number, signal: ShutdownSignal): void {
    this.#ended(`kill ${pid} ${signal}`);
  }

  exit(code: number): void {
    this.#ended(`exit ${code}`);
  }

  signal(signal: ShutdownSignal): void {
    this.emit(signal, signal);
  }

  get listening(): number {
    return this.listenerCount("SIGTERM") + this.listenerCount("SIGINT");
  }
}

/** A stop that ends when told. */
function stoppable(): { stop: () => Promise<void>; finish: () => void; calls: number } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  const self = { calls: 0, finish: resolve, stop: () => ((self.calls += 1), promise) };
  return self;
}

/** Lets everything run that waits for nothing. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function handle(target: FakeProcess, stop: () => Promise<void>, now = () => 0): () => void {
  return handleSignals({ stop, logger: silentLogger, process: target, now });
}

describe("handleSignals", () => {
  test.for(["SIGTERM", "SIGINT"] as const)("stops, and then raises %s again", async (signal) => {
    const target = new FakeProcess();
    const app = stoppable();
    handle(target, app.stop);
    target.signal(signal);
    expect(app.calls).toBe(1);
    app.finish();
    expect(await target.end).toBe(`kill 4711 ${signal}`);
    expect(target.listening).toBe(0);
  });

  test("ends the process when the stop fails", async () => {
    const target = new FakeProcess();
    handle(target, () => Promise.reject(new Error("no")));
    target.signal("SIGTERM");
    expect(await target.end).toBe("kill 4711 SIGTERM");
  });

  test("exits with 143 as the first process of a container, which cannot end by a signal", async () => {
    const target = new FakeProcess(1);
    handle(target, () => Promise.resolve());
    target.signal("SIGTERM");
    expect(await target.end).toBe("exit 143");
  });

  test("ends the process at once at a second signal", async () => {
    const target = new FakeProcess();
    const app = stoppable();
    let time = 0;
    handle(target, app.stop, () => time);
    target.signal("SIGTERM");
    time = 250;
    target.signal("SIGTERM");
    expect(await target.end).toBe("kill 4711 SIGTERM");
  });

  test("takes the same signal right after the first for its echo, and another one for a second", async () => {
    const target = new FakeProcess();
    const app = stoppable();
    handle(target, app.stop);
    target.signal("SIGINT");
    target.signal("SIGINT");
    expect(target.listening).toBe(2);
    target.signal("SIGTERM");
    expect(await target.end).toBe("kill 4711 SIGTERM");
  });

  test.for(["on", "once"] as const)(
    "leaves the end to an application that listens itself (%s)",
    async (add) => {
      const target = new FakeProcess();
      target[add]("SIGTERM", () => {});
      const app = stoppable();
      handle(target, app.stop);
      let ended = false;
      void target.end.then(() => (ended = true));
      target.signal("SIGTERM");
      app.finish();
      await turn();
      expect(app.calls).toBe(1);
      expect(ended).toBe(false);
    },
  );

  test("ends the process when the last of several applications has stopped", async () => {
    const target = new FakeProcess();
    const [first, second] = [stoppable(), stoppable()];
    handle(target, first.stop);
    handle(target, second.stop);
    let ended = false;
    void target.end.then(() => (ended = true));
    target.signal("SIGTERM");
    first.finish();
    await turn();
    expect(ended).toBe(false);
    second.finish();
    expect(await target.end).toBe("kill 4711 SIGTERM");
  });

  test("removes its listeners when told", () => {
    const target = new FakeProcess();
    const remove = handle(target, () => Promise.resolve());
    expect(target.listening).toBe(2);
    remove();
    expect(target.listening).toBe(0);
  });
});
