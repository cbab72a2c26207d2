import { openBusbarWorkflow } from "./contestants/busbar-workflow.ts";
import { openMedusaWorkflow } from "./contestants/medusa-workflow.ts";
import { ACCEPTED, HANDLED, HandlerCount, measureBatches } from "./measure-batches.ts";
import { orderAt, type Order } from "./order.ts";
import type { Contestant, Question } from "./question.ts";

const runs = 100;

type Run = (input: Order) => Promise<unknown>;

function contestant(
  id: string,
  label: string,
  open: (handler: () => Promise<void>) => Run | Promise<Run>,
): Contestant {
  return {
    id,
    label,
    measure: async (budget) => {
      const count = new HandlerCount();
      const run = await open(count.createHandler());
      const batch = {
        size: runs,
        handlerRuns: runs,
        run: async () => {
          for (let index = 0; index < runs; index++) await run(orderAt(index));
        },
      };
      return measureBatches(batch, count, budget);
    },
  };
}

/** How long does a workflow take that emits one event? */
export const question: Question = {
  title: "A workflow with one emitEventStep, one subscriber",
  unit: { type: "ns", per: "run" },
  metrics: [
    { id: ACCEPTED, label: "until run resolves" },
    { id: HANDLED, label: "until the handler ran" },
  ],
  needs: ["peers"],
  contestants: [
    contestant("busbar", "Busbar", openBusbarWorkflow),
    contestant("medusa", "Medusa workflows-sdk", openMedusaWorkflow),
  ],
  comparisons: [{ of: "busbar", to: "medusa", atLeast: 8 }],
};
