import { randomUUID } from "node:crypto";
import { setInterval } from "node:timers/promises";
import { serveDashboard } from "@busbar/dashboard";
import { startShop } from "./shop.ts";

const { bus, board } = await startShop(randomUUID());
const served = await serveDashboard(board, { port: 4000 });
console.log(`The dashboard: ${board.createSignInLink(served.origin)}`);

for await (const orderId of setInterval(1_000, "1")) {
  const isWrong = Math.random() < 0.2;
  const email = isWrong ? "nobody" : "ada@example.com";
  await bus.emit("order.placed", { orderId, email, total: Math.round(Math.random() * 100) });
}
