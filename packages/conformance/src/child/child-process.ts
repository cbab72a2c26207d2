import { type ChildProcess as NodeProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ConsumeSpec, Settlement, SubscriptionSpec } from "@busbar/core/provider";
import type { ProviderFaults } from "../harness.ts";
import type { Waiting } from "../waiting.ts";
import type { ChildCommand, ChildReport, ProviderSource, Work } from "./messages.ts";

type Delivered = Extract<ChildReport, { type: "delivered" }>;

/** How the provider in a child process is made. */
export type ChildModule = Pick<ProviderFaults, "module" | "options" | "execArgv">;

const STDERR_KEPT = 2_000;

/** A process with a provider of its own, that can be killed. */
export class ChildProcess {
  /** Deliveries in the child, in order. */
  readonly delivered: Delivered[] = [];
  /** Ids of the events that the bus in it has handled, in order. */
  readonly begun: string[] = [];
  readonly handled: string[] = [];
  /** Ids of the events whose publish the child has seen accepted. */
  readonly accepted: string[] = [];
  readonly #process: NodeProcess;
  readonly #waiting: Waiting;
  readonly #done: ChildCommand["type"][] = [];
  readonly #exited: Promise<void>;
  readonly #source: ProviderSource;
  #failure: string | undefined;
  #stderr = "";
  #killed = false;
  /** Its exit code once it has ended; null when a signal ended it. */
  exitCode: number | null | undefined;

  constructor(faults: ChildModule, namespace: string, waiting: Waiting) {
    this.#waiting = waiting;
    this.#source = { module: faults.module.href, options: faults.options, namespace };
    const script = scriptUrl();
    this.#process = fork(script, {
      execArgv: [...(faults.execArgv ?? execArgvFor(script, faults.module))],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#exited = new Promise((resolve) => {
      this.#process.once("exit", (code) => {
        this.exitCode = code;
        if (!this.#killed && code !== 0) this.#fail(`ended with ${code}`);
        waiting.changed();
        resolve();
      });
    });
    this.#process.once("error", (error) => this.#fail(error.message));
    this.#process.stderr?.on("data", (data: Buffer) => {
      this.#stderr = (this.#stderr + data.toString()).slice(-STDERR_KEPT);
    });
    this.#process.on("message", (report) => this.#hear(report as ChildReport));
  }

  /** Resolves once the provider in it is started. */
  started(): Promise<void> {
    return this.#tell({ type: "start", source: this.#source });
  }

  /** Instead of {@link started}: resolves once a bus in it works. */
  works(work: Work): Promise<void> {
    return this.#tell({ type: "work", source: this.#source, work });
  }

  /** Instead of {@link started}: resolves once a bus has started in it, on which nothing happens. */
  idles(): Promise<void> {
    return this.#tell({ type: "idle", source: this.#source });
  }

  declare(...specs: readonly SubscriptionSpec[]): Promise<void> {
    return this.#tell({ type: "declare", specs });
  }

  /**
   * Consumes in the child: it keeps what it is to `hold` in flight, and acknowledges the rest, or settles
   * all by their `fate`.
   */
  consume(spec: ConsumeSpec, hold: "all" | "fate" | readonly string[]): Promise<void> {
    return this.#tell({ type: "consume", spec, hold });
  }

  /** It stops by SIGSTOP: nothing in it runs until it is {@link resumed}, and no other process is notified. */
  pause(): void {
    this.#process.send({ type: "pause" } satisfies ChildCommand);
  }

  /**
   * SIGCONT, and it settles first of all what it holds. Resolves once its provider was given the
   * settlements.
   */
  async resumed(
    ...settlements: readonly (readonly [id: string, settlement: Settlement])[]
  ): Promise<void> {
    const settled = this.#tell({ type: "settle", settlements });
    this.#process.kill("SIGCONT");
    await settled;
  }

  /** Emits in the child until it is killed. */
  emitForever(event: string, prefix: string, batch: number): void {
    this.#process.send({ type: "emit", event, prefix, batch } satisfies ChildCommand);
  }

  /** Resolves once the child was handed that many deliveries. */
  async received(count: number): Promise<void> {
    await this.#until(
      () => `${count} deliveries in a child process (it had ${this.delivered.length})`,
      () => this.delivered.length >= count,
    );
  }

  /** Resolves once the child has seen that many events accepted. */
  async hasEmitted(count: number): Promise<void> {
    await this.#until(
      () => `${count} events accepted in a child process (it had ${this.accepted.length})`,
      () => this.accepted.length >= count,
    );
  }

  /** Stops the provider, or the bus, and resolves once the process has ended by itself. */
  async stopAndExit(graceMs: number): Promise<void> {
    this.#process.send({ type: "stop", graceMs } satisfies ChildCommand);
    await this.#until("a child process to end after what runs in it has stopped", () => {
      return this.exitCode !== undefined;
    });
  }

  /** SIGKILL. Resolves once it is gone. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  async #tell(command: ChildCommand): Promise<void> {
    const before = this.#done.filter((type) => type === command.type).length;
    this.#process.send(command);
    await this.#until(`"${command.type}" in a child process`, () => {
      return this.#done.filter((type) => type === command.type).length > before;
    });
  }

  #until(what: string | (() => string), condition: () => boolean): Promise<void> {
    return this.#waiting.until(what, () => {
      if (condition()) return true;
      if (this.#failure === undefined) return false;
      throw new Error(`A child process ${this.#failure}\n${this.#stderr}`);
    });
  }

  #hear(report: ChildReport): void {
    switch (report.type) {
      case "done":
        this.#done.push(report.command);
        break;
      case "delivered":
        this.delivered.push(report);
        break;
      case "begun":
        this.begun.push(...report.ids);
        break;
      case "handled":
        this.handled.push(report.id);
        break;
      case "accepted":
        this.accepted.push(...report.ids);
        break;
      case "failed":
        this.#failure = `failed: ${report.error}`;
    }
    this.#waiting.changed();
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#waiting.changed();
  }
}

function scriptUrl(): URL {
  return new URL(
    isSource(import.meta.url) ? "./child-main.ts" : "./child-main.js",
    import.meta.url,
  );
}

/** The arguments of this process, and a loader where it has none for what the child loads. */
function execArgvFor(script: URL, module: URL): readonly string[] {
  const given = process.execArgv.filter((argument) => !argument.startsWith("--test"));
  const needsLoader = isSource(script.href) || isSource(module.href);
  const hasLoader = given.some((argument) =>
    /^--(import|loader|experimental-loader)/.test(argument),
  );
  if (!needsLoader || hasLoader) return given;
  const loader = loaderFor(module);
  return loader === undefined ? given : [...given, "--import", pathToFileURL(loader).href];
}

/** Where `tsx` is; undefined where there is none, and Node strips types by itself. */
function loaderFor(module: URL): string | undefined {
  try {
    return createRequire(fileURLToPath(module)).resolve("tsx");
  } catch (cause) {
    if ("typescript" in process.features && process.features.typescript) return undefined;
    const file = fileURLToPath(module);
    const message = `The suite loads ${file} in processes that it kills: install tsx as a development dependency, or say by faults.execArgv how Node loads TypeScript`;
    throw new TypeError(message, { cause });
  }
}

function isSource(url: string): boolean {
  return url.endsWith(".ts");
}
