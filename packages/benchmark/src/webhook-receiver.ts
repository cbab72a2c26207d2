// Takes webhooks, for questions that deliver to another process, and tells the parent process of them.
import { createServer } from "node:http";
import { monotonicMs, type ToParent, type ToReceiver } from "./webhook-endpoints.ts";

const SENT_AT = /"sentAt":([\d.]+)/;

let received = 0;
let expected = Number.POSITIVE_INFINITY;
let latencies: number[] = [];
const tell = (message: ToParent): void => void process.send?.(message);

const server = createServer((request, response) => {
  const at = monotonicMs();
  // Neither answers nor ends.
  if (request.url === "/hangs") return void request.resume();
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    response.end("ok");
    const sentAt = SENT_AT.exec(Buffer.concat(chunks).toString("latin1"))?.[1];
    if (sentAt !== undefined) latencies.push(at - Number(sentAt));
    received += 1;
    if (received === expected) tell({ type: "all", latencies });
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  tell({ type: "ready", port: typeof address === "object" ? (address?.port ?? 0) : 0 });
});
process.on("message", ({ expect }: ToReceiver) => {
  expected = expect;
  received = 0;
  latencies = [];
});
process.once("disconnect", () => process.exit());
