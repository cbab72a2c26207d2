import { readFileSync } from "node:fs";

const PAGE = new URL("../../README.md", import.meta.url);

/** The statements of the documentation that give a role its rights in a schema. */
export function documentedRights(schema: string, role: string): string {
  const [, statements] = /^```sql\n((?:GRANT .*;\n)+)```$/m.exec(readFileSync(PAGE, "utf8")) ?? [];
  if (!statements) throw new Error("The page has no GRANT any more");
  return statements.replaceAll("busbar_shop", `"${schema}"`).replaceAll("TO shop;", `TO ${role};`);
}
