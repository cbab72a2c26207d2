import { type BodySource, toCloudEvent } from "../signing/cloud-event.ts";

/** Characters that some readers take for the end of a line, such as `readline` of Node.js 24 and `splitlines` of Python. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g;

/** Writes a delivery as one line of JSON, a CloudEvent, which ends in a line break and has no other. */
export function jsonLine(request: BodySource): string {
  return lineOf(toCloudEvent(request));
}

/** Writes a value as one line of JSON, which ends in a line break and has no other. */
export function lineOf(value: object): string {
  return `${JSON.stringify(value).replaceAll(LINE_ENDS, escaped)}\n`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
