import type { IEventBusModule } from "@busbar/core";
import { assertOptions, type Checks, checks } from "@busbar/core/provider";
import { watchBackground } from "./background.ts";
import { moduleCases } from "./cases/module.ts";
import { type EventBusModuleHarness, type ModuleCase, ModuleContext } from "./module-context.ts";
import { runEach } from "./run-each.ts";
import { assertTest } from "./test-provider.ts";
import type { TestFunction } from "./test-function.ts";
import { withLimit } from "./waiting.ts";

const LIMIT_MS = 10_000;

/**
 * Registers the smaller suite, for those who implement {@link IEventBusModule} themselves instead of a
 * provider.
 *
 * @example
 * ```ts
 * testEventBusModule(test, { create: () => new SaasEventBus(), stop: (bus) => bus.close() });
 * ```
 */
export function testEventBusModule<Module extends IEventBusModule>(
  test: TestFunction,
  harness: EventBusModuleHarness<Module>,
): void {
  assertTest("testEventBusModule()", test);
  const its = {
    create: checks.function,
    start: checks.function,
    stop: checks.function,
    patience: checks.positive,
  };
  assertOptions("testEventBusModule()", harness, its as Checks<EventBusModuleHarness<Module>>, {
    create: "such as () => new SaasEventBus()",
  });
  const limitMs = LIMIT_MS * (harness.patience ?? 1);
  for (const it of moduleCases) {
    test(`event module: ${it.name}`, { timeout: 2 * limitMs + 1_000 }, () =>
      runModuleCase(it, harness, limitMs),
    );
  }
}

/** Runs one case on a module of its own. */
export async function runModuleCase<Module extends IEventBusModule>(
  it: ModuleCase,
  harness: EventBusModuleHarness<Module>,
  limitMs: number = LIMIT_MS,
): Promise<void> {
  const module = await harness.create();
  const context = new ModuleContext(module, () => harness.start?.(module));
  const background = watchBackground();
  const run = async (): Promise<void> => {
    const ran = Promise.race([it.run(context), background.failed]);
    await withLimit(ran, limitMs, () => `It waited in vain for ${context.waiting.describe()}`);
    background.assertQuiet();
  };
  const stop = async (): Promise<void> => {
    context.waiting.end();
    await harness.stop?.(module);
  };
  try {
    await runEach([run, () => withLimit(stop(), limitMs, () => "It could not be stopped")]);
  } finally {
    background.end();
  }
}
