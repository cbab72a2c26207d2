import { readdirSync } from "node:fs";
import type { Question } from "./question.ts";

const SUFFIX = ".bench.js";

/** The names of the questions, which are those of the built `*.bench.js` files, sorted. */
export function questionNames(): readonly string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .toSorted();
}

/** Loads the question of that name. No package of others is loaded before something is measured. */
export async function loadQuestion(name: string): Promise<Question> {
  const file = new URL(`${name}${SUFFIX}`, import.meta.url);
  const { question } = (await import(file.href)) as { readonly question: Question };
  return question;
}
