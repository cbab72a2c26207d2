import type { ServerKindName } from "./start-server.mjs";

type ProgramName = ServerKindName | "openssl" | "chromium";

export function findProgram(kind: ProgramName): string | undefined;
export function ensureProgram(kind: ProgramName): string;
