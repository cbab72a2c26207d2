import { readFileSync } from "node:fs";

const PAGE = new URL("../../../../docs/how-to/run-redis-in-production.md", import.meta.url);

/** The rights that the page of Redis in production gives a bus, as words after `ACL SETUSER <user>`. */
export function documentedRights({ bus }: { readonly bus: string }): readonly string[] {
  const command = /^redis-cli ACL SETUSER shop ((?:.*\\\n)*.*)$/m.exec(readFileSync(PAGE, "utf8"));
  if (!command) throw new Error("The page has no ACL SETUSER any more");
  const words = command[1]!.split(/[\s\\']+/).filter(Boolean);
  return words.map((word) => word.replace("{busbar:shop}", `{busbar:${bus}}`));
}
