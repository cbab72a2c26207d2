/**
 * Runs each step, also after one that has failed.
 *
 * @throws the error of the step that failed. If several failed, an AggregateError that starts with the first one:
 *   it says why, and the others may only follow from it.
 */
export async function runEach(steps: Iterable<() => unknown>): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 1) throw new AggregateError(errors, errors.map(textOf).join("; and then: "));
  if (errors.length > 0) throw errors[0];
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
