// What a person reads is in plain English: pages, READMEs, changesets, comments and messages avoid the words of
// plain-words.mjs, and few sentences are longer than 25 words. "Plain English" in docs/CONTRIBUTING.md has the rules.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Visitor, parseSync } from "oxc-parser";
import { filesIn, finish, pages, publishedPackages, root } from "./lib.mjs";
import { blocksIn } from "./markdown.mjs";
import { words } from "./plain-words.mjs";

const LONG = 25;
/** Words and long sentences from before these rules. Lower both numbers with each rewrite, and never raise them. */
const WORDS = 550;
const LONG_SENTENCES = 500;

/** Elements that are part of the sentence around them. */
const INLINE = new Set(["a", "b", "code", "em", "strong"]);

const problems = [];
const hits = [];
const long = [];
let count = 0;

for (const { not, wrong, right } of words) {
  if (!not.test(wrong)) problems.push(`plain-words.mjs: ${not} does not find "${wrong}"`);
  if (not.test(right)) problems.push(`plain-words.mjs: ${not} finds "${right}"`);
}
for (const file of [...pages(), ...below(".changeset")]) check(file);
for (const { folder } of publishedPackages()) {
  // Users also read the page of the dashboard, and the files that `busbar create` writes for them.
  for (const part of ["src", "ui", "templates"]) below(`${folder}/${part}`).forEach(check);
}
if (hits.length > WORDS) {
  problems.push(
    `${hits.length} words of plain-words.mjs, at most ${WORDS} may be left: see --list`,
  );
}
if (long.length > LONG_SENTENCES) {
  problems.push(
    `${long.length} sentences of more than ${LONG} words, at most ${LONG_SENTENCES} may be left: see --list`,
  );
}
if (process.argv.includes("--list")) console.log([...hits, ...long].join("\n"));
finish(
  problems,
  `${count} sentences: ${hits.length} words (limit ${WORDS}), ${long.length} longer than ${LONG} words (limit ${LONG_SENTENCES})`,
);

/** Every file below a folder, relative to the root of the repository. */
function below(folder) {
  return filesIn(join(root, folder)).map((it) => `${folder}/${it}`);
}

function check(file) {
  const read = () => readFileSync(join(root, file), "utf8");
  if (file.endsWith(".md")) checkTexts(file, textsOfPage(read()));
  else if (/\.m?tsx?$/.test(file)) checkTexts(file, textsOfSource(file, read()));
}

function checkTexts(file, texts) {
  for (const { text, line } of texts) {
    for (const { not, write } of words) {
      for (const [word] of text.matchAll(new RegExp(not, "gi"))) {
        hits.push(`${file}:${line}: "${word}", write ${write}`);
      }
    }
    for (const sentence of text.split(/(?<=[.!?])\s+/)) {
      const length = sentence.split(/\s+/).filter((it) => /\w/.test(it)).length;
      if (length > 1) count += 1;
      if (length > LONG) long.push(`${file}:${line}: ${length} words: ${sentence}`);
    }
  }
}

/** Paragraphs, list items and table cells. Code is one word. */
function textsOfPage(page) {
  const lines = page.replace(/^---\n[^]*?\n---\n/, (it) => it.replaceAll(/[^\n]/g, "")).split("\n");
  for (const { line, lines: code, isOpen } of blocksIn(page)) {
    lines.fill("", line - 1, line + code.length + (isOpen ? 0 : 1));
  }
  return lines.flatMap((line, index) =>
    line
      .split("|")
      .map((cell) => ({ text: plain(cell), line: index + 1 }))
      .filter(({ text }) => text !== ""),
  );
}

/** Comments, and the strings and templates that are sentences. */
function textsOfSource(file, source) {
  const { program, comments } = parseSync(file, source);
  const lineAt = (offset) => source.slice(0, offset).split("\n").length;
  const texts = [];
  let previous;
  for (const comment of comments) {
    // Lines of `//` that follow each other are one text.
    const joins =
      comment.type === "Line" &&
      previous?.type === "Line" &&
      source.slice(previous.end, comment.start).trim() === "" &&
      lineAt(comment.start) === lineAt(previous.end) + 1;
    if (joins) texts.at(-1).text += ` ${comment.value.trim()}`;
    else texts.push({ text: comment.value, line: lineAt(comment.start) });
    previous = comment;
  }
  const paragraphs = texts.flatMap(({ text, line }) =>
    paragraphsOf(text).map((it) => ({ text: plain(it), line })),
  );
  const messages = [];
  const add = (text, start) => {
    const shown = text.includes("\n") ? commentsOfScript(text) : text;
    if (shown.trim().split(/\s+/).length > 2) messages.push({ text: shown, line: lineAt(start) });
  };
  const joined = new Set();
  const addElement = (element) => {
    if (joined.has(element)) return;
    for (const text of textsOfElement(element, joined)) add(text, element.start);
  };
  new Visitor({
    JSXElement: addElement,
    JSXFragment: addElement,
    Literal: ({ value, start }) => {
      if (typeof value === "string") add(value, start);
    },
    TemplateLiteral: ({ quasis, start }) => {
      add(quasis.map(({ value }) => value.cooked).join("x"), start);
    },
  }).visit(program);
  return [...paragraphs, ...messages];
}

/**
 * The texts directly within an element of a page. Code and computed values are one word. Inline elements are put into
 * `joined`: their text is part of the text around them.
 */
function textsOfElement({ children }, joined) {
  const textOf = (child) => {
    if (child.type === "JSXText") return child.value;
    if (child.type === "JSXExpressionContainer") {
      const { type, value } = child.expression;
      if (type === "JSXEmptyExpression") return "";
      // The visitor comes to longer literals by itself.
      return type === "Literal" && value === " " ? " " : "x";
    }
    const name = child.openingElement?.name.name;
    if (!INLINE.has(name)) return "\n";
    joined.add(child);
    return name === "code" ? "x" : child.children.map(textOf).join("");
  };
  return children
    .map((child) =>
      child.type === "JSXText" ? textOf(child).replaceAll(/\s+/g, " ") : textOf(child),
    )
    .join("")
    .split("\n")
    .map((text) => text.trim());
}

/** What a script in Lua or SQL says to people. */
function commentsOfScript(script) {
  return [...script.matchAll(/-- (.*)$/gm)].map(([, text]) => text).join(" ");
}

/** The paragraphs and tags of a comment, without code and stars. */
function paragraphsOf(comment) {
  const text = comment.replaceAll(/^\s*\* ?/gm, "").replaceAll(/```[^]*?(?:```|$)/g, "");
  return text.split(/\n\s*\n|\n(?=@|\s*[-*] )/).map((it) => it.replaceAll("\n", " "));
}

function plain(text) {
  return text
    .replaceAll(/(`+)(?:(?!\1).)+\1/g, "x")
    .replaceAll(/\{@link\s+([^}\s]+)[^}]*\}/g, "$1")
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/^\s*(?:[-*]|\d+\.)\s+/g, "")
    .trim();
}
