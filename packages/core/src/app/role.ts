import type { Role } from "../contract/bus-options.ts";
import { configError } from "./config-error.ts";

const roles: readonly string[] = ["shared", "server", "worker", "tool"] satisfies Role[];

/** Whether a value is a {@link Role}. */
export function isRole(value: unknown): value is Role {
  return typeof value === "string" && roles.includes(value);
}

/** Why a value is not a role. */
export function roleReason(value: unknown): string {
  return `must be "shared", "server", "worker" or "tool", not ${JSON.stringify(value)}`;
}

/** The role that was given, else the environment's `BUSBAR_ROLE`, else `shared`. */
export function resolveRole(given: Role | undefined): Role {
  if (given !== undefined) {
    if (isRole(given)) return given;
    throw configError({ issues: [{ path: "role", reason: roleReason(given) }] });
  }
  const value = process.env["BUSBAR_ROLE"];
  if (value === undefined || value === "") return "shared";
  if (isRole(value)) return value;
  throw configError({ issues: [{ path: "BUSBAR_ROLE", reason: roleReason(value) }] });
}
