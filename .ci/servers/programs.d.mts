import type { ServerKindName } from "./start-server.mjs";

type ProgramName = ServerKindName | "openssl";

export function findProgram(kind: ProgramName): string | undefined;
export function ensureProgram(kind: ProgramName): string;
