// Handles events until SIGTERM or Ctrl-C, then ends what it has begun. Start as many as you like.
import { createApp } from "@busbar/core";

import { heading } from "./output.ts";

const app = await createApp();
await app.start();
heading("This worker handles events until it is told to stop.");
