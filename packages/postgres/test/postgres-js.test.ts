import { postgresStore, type SqlStore } from "@busbar/sql";
import postgres from "postgres";
import { testPart } from "./support/part-of-the-suite.ts";

const url = process.env["DATABASE_URL"] ?? "";
const role = `postgres_js_${crypto.randomUUID().slice(0, 8)}`;

await testPart(
  role,
  () => {
    const sql = postgres(url, { user: role, max: 5, onnotice: () => {} });
    return { store: postgresStore({ sql }) as SqlStore, close: () => sql.end({ timeout: 1 }) };
  },
  async () => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    const transaction = await sql.reserve();
    await transaction`BEGIN`;
    const end = async (statement: string): Promise<void> => {
      await transaction.unsafe(statement);
      transaction.release();
    };
    return { transaction, commit: () => end("COMMIT"), rollback: () => end("ROLLBACK") };
  },
);
