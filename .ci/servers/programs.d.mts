import type { ServerKindName } from "./start-server.mjs";

export function findProgram(kind: ServerKindName): string | undefined;
export function ensureProgram(kind: ServerKindName): string;
