// The snippet of Medusa's documentation, with nothing changed but its import paths.
import { Modules } from "@busbar/core";
import { createStep, createWorkflow } from "@busbar/core/workflows";

// oxlint-disable-next-line no-empty-pattern -- as it stands there
const step1 = createStep("step-1", async ({}, { container }) => {
  const eventModuleService = container.resolve(Modules.EVENT);

  await eventModuleService.emit({
    name: "custom.event",
    data: {
      id: "123",
      // other data payload
    },
  });
});

export const workflow = createWorkflow("workflow-1", () => {
  step1();
});
