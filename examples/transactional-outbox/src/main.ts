import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "./database.ts";

const folder = await mkdtemp(join(tmpdir(), "busbar-"));
const file = join(folder, "shop.db");
const schema = `busbar_example_${process.pid}`;
const { store, close } = await openDatabase(file, schema);
console.log(`On ${store.dialect}`);
if (store.dialect === "postgres") await store.execute(`CREATE SCHEMA ${schema}`);
await store.execute("CREATE TABLE orders (id text)");
await store.execute("CREATE TABLE ledger (id text)");

/** Runs the shop in a process of its own. Resolves when that has ended. */
async function run(order = "", dieAt = ""): Promise<void> {
  const shop = fork(new URL("shop.ts", import.meta.url), [file, schema, order, dieAt]);
  const [code, signal] = (await once(shop, "exit")) as [number | null, string | null];
  console.log(`  the shop has ended: ${signal ?? `code ${code}`}`);
}

async function report(): Promise<void> {
  for (const table of ["orders", "ledger"]) {
    const rows = await store.execute(`SELECT id FROM ${table} ORDER BY id`);
    const ids = rows.map(({ id }) => String(id));
    console.log(`  ${table}: ${ids.join(", ") || "none"}`);
  }
}

const points = ["before the commit", "after the commit", "in the handler"];
for (const [index, point] of points.entries()) {
  console.log(`Order ${index + 1}, killed ${point}`);
  await run(String(index + 1), point);
  await report();
}
console.log("Order 4, and nobody is killed");
await run("4");
await report();

if (store.dialect === "postgres") await store.execute(`DROP SCHEMA ${schema} CASCADE`);
await close();
await rm(folder, { recursive: true });
