import { createStep, type Step } from "./create-step.ts";
import { currentAttempt } from "./current-step.ts";

/**
 * Releases the events that the run has staged so far, before it has ended. They cannot be cleared
 * afterwards: there is no compensation. Fails when the release does.
 */
export const releaseEventsStep: Step<unknown, undefined> = createStep(
  "release-events-step",
  async (): Promise<undefined> => {
    await currentAttempt()?.run.group.release();
  },
);
