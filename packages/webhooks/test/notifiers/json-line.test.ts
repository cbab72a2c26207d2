import { expect, test } from "vitest";
import { jsonLine } from "../../src/notifiers/json-line.ts";
import { notifierRequest } from "../../src/testing.ts";

/** @see https://docs.python.org/3/library/stdtypes.html#str.splitlines */
const LINE_ENDS = "\n\r\v\f\u001C\u001D\u001E\u0085\u2028\u2029".split("");

test("a line has no line end within, whatever a reader takes for one", () => {
  const data = { text: "a\nb\rc\vd\fe\u001Cf\u001Dg\u001Eh\u0085i\u2028j\u2029k" };
  const line = jsonLine(notifierRequest({ destination: "", settings: {}, event: { data } }));
  expect(line.endsWith("\n")).toBe(true);
  expect(LINE_ENDS.filter((it) => line.slice(0, -1).includes(it))).toEqual([]);
  expect(JSON.parse(line)).toMatchObject({ data });
});
