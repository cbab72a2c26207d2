import type { Command } from "commander";
import type { Does } from "../cli.ts";
import { addCancel } from "./cancel.ts";
import { addCompletion } from "./completion.ts";
import { addCreate } from "./create.ts";
import { addDashboard } from "./dashboard.ts";
import { addDead } from "./dead.ts";
import { addDev } from "./dev.ts";
import { addDoctor } from "./doctor.ts";
import { addEmit } from "./emit.ts";
import { addEvents } from "./events.ts";
import { addHealth } from "./health.ts";
import { addOutbox } from "./outbox.ts";
import { addSchedules } from "./schedules.ts";
import { addSubscriptions } from "./subscriptions.ts";
import { addTail } from "./tail.ts";
import { addWebhooks } from "./webhooks.ts";
import { addWorker } from "./worker.ts";

/** Adds every command to the program, in the order of the help text. */
export function addCommands(program: Command, does: Does): void {
  addCreate(program, does);
  addDev(program, does);
  addWorker(program, does);
  addEmit(program, does);
  addCancel(program, does);
  addTail(program, does);
  addSubscriptions(program, does);
  addSchedules(program, does);
  addEvents(program, does);
  addDead(program, does);
  addOutbox(program, does);
  addWebhooks(program, does);
  addDashboard(program, does);
  addHealth(program, does);
  addDoctor(program, does);
  addCompletion(program, does);
}
