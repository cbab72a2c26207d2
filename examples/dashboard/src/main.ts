import { serveDashboard } from "@busbar/dashboard";
import { startShop } from "./shop.ts";

const { bus, board } = await startShop("a-token-for-the-shop");
const served = await serveDashboard(board, { port: 0 });

await bus.emit("order.placed", { orderId: "41", email: "ada@example.com", total: 30 });
await bus.emit("order.placed", { orderId: "42", email: "grace at example.com", total: 12 });
await bus.settled();

// What the browser does with the link.
const link = await fetch(board.createSignInLink(served.origin), { redirect: "manual" });
const cookie = link.headers.get("set-cookie")!.split(";", 1)[0]!;

interface DeadLetter {
  readonly id: string;
  readonly subscriberId: string;
  readonly error: { readonly message: string };
}
const list = await fetch(`${served.origin}/api/dead`, { headers: { cookie } });
const { items } = (await list.json()) as { readonly items: readonly DeadLetter[] };
const [letter] = items;
console.log(`Dead: ${letter!.subscriberId}: ${letter!.error.message}`);

const replay = `${served.origin}/api/dead/${letter!.subscriberId}/${letter!.id}/replay`;
const send = async (data: object): Promise<Response> =>
  fetch(replay, {
    method: "POST",
    headers: { cookie, "content-type": "application/json", "busbar-request": "1" },
    body: JSON.stringify({ data }),
  });
const wrong = await send({ orderId: "42", email: "grace@example.com" });
const { detail } = (await wrong.json()) as { readonly detail: string };
console.log(`The edited data is checked against the schema: ${wrong.status} ${detail}`);
await send({ orderId: "42", email: "grace@example.com", total: 12 });
await bus.settled();

await served.close();
await bus.stop();
