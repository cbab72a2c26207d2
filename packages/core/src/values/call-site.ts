import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";

type Callee = (...args: never[]) => unknown;

/** The code that calls a function. */
export interface CallSite {
  /** The absolute path of its file. */
  readonly file: string;
  /** The file as Node names it. Whoever evaluates a file again by a URL adds something to the URL. */
  readonly source: string;
}

/**
 * Finds the code that calls a function, if it is of the application. Undefined for a package, which calls on behalf
 * of an application, and for code that has no file.
 */
export function callSiteOf(callee: Callee): CallSite | undefined {
  const source = sourceOfCaller(callee);
  if (typeof source !== "string" || /[\\/]node_modules[\\/]/.test(source)) return undefined;
  try {
    const file = source.startsWith("file:") ? fileURLToPath(source) : source;
    return isAbsolute(file) ? { file, source } : undefined;
  } catch {
    return undefined;
  }
}

function sourceOfCaller(callee: Callee): unknown {
  const key = "prepareStackTrace";
  const before: unknown = Reflect.get(Error, key);
  const { stackTraceLimit } = Error;
  // Changes nothing where intrinsics are frozen: then the stack is text, and no path.
  Reflect.set(Error, key, (_: Error, frames: NodeJS.CallSite[]) => frames[0]?.getFileName());
  Reflect.set(Error, "stackTraceLimit", 1);
  try {
    const trace: { readonly stack?: unknown } = {};
    Error.captureStackTrace(trace, callee);
    return trace.stack;
  } finally {
    Reflect.set(Error, key, before);
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}
