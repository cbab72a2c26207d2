import { openBusbar } from "./contestants/busbar.ts";
import { HandlerCount } from "./measure-batches.ts";
import { orderAt } from "./order.ts";
import type { Contestant, Question, Sample } from "./question.ts";

const BATCHES = 1_000;
const EVENTS_PER_BATCH = 1_000;

/** Emits a million events and looks at what is left when all were handled, the bus still open. */
async function measureHeap(isolation: "copy" | "none"): Promise<Sample> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("Needs node --expose-gc");
  const heapUsed = () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const count = new HandlerCount();
  const bus = await openBusbar(isolation, {
    handlers: [count.createHandler()],
    manyCount: EVENTS_PER_BATCH,
    dataAt: orderAt,
  });
  const before = heapUsed();
  for (let batch = 0; batch < BATCHES; batch++) {
    const done = count.expect(EVENTS_PER_BATCH);
    await bus.emitMany();
    await done;
  }
  return { left: (heapUsed() - before) / 1_000_000 };
}

const contestants: readonly Contestant[] = [
  { id: "busbar", label: "Busbar", measure: () => measureHeap("copy") },
  { id: "busbar-none", label: 'Busbar, isolation: "none"', measure: () => measureHeap("none") },
];

/** How much memory does a million events leave behind? */
export const question: Question = {
  title: "Heap that a million handled events leave behind, collected",
  unit: { type: "MB" },
  metrics: [{ id: "left", label: "left behind" }],
  contestants,
  limits: contestants.map(({ id }) => ({ of: id, below: 50 })),
  nodeFlags: ["--expose-gc"],
  maxRounds: 3,
};
