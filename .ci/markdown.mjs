// What gates read out of Markdown pages.

/**
 * The fenced blocks of a page, without their indentation. `line` is that of the opening fence, counted from 1; a
 * block without an end has `isOpen`.
 *
 * @param {string} text
 * @returns {{ language: string, info: string, line: number, lines: string[], isOpen: boolean }[]}
 */
export function blocksIn(text) {
  const blocks = [];
  let open;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*([^\s`]*)\s*([^`]*)$/.exec(line);
    if (open === undefined && fence) {
      const [, indent, mark, language, info] = fence;
      open = { indent, mark, language, info, line: index + 1, lines: [] };
    } else if (open !== undefined && fence?.[2].startsWith(open.mark) && fence[3] === "") {
      blocks.push(blockOf(open, false));
      open = undefined;
    } else if (open !== undefined) {
      open.lines.push(
        line.startsWith(open.indent) ? line.slice(open.indent.length) : line.trimStart(),
      );
    }
  }
  if (open !== undefined) blocks.push(blockOf(open, true));
  return blocks;
}

function blockOf({ language, info, line, lines }, isOpen) {
  return { language, info, line, lines, isOpen };
}

/**
 * The relative targets of links, definitions, and `href` and `src` attributes of a page. `line` counts from 1.
 *
 * @param {string} text
 * @returns {{ target: string, line: number }[]}
 */
export function linksIn(text) {
  return proseIn(text).flatMap((line, index) =>
    targetsIn(line).map((target) => ({ target, line: index + 1 })),
  );
}

/** Targets of `[text](target)`, `[name]: target`, and `href`/`src` attributes. */
function targetsIn(prose) {
  const line = prose.replaceAll(/(`+)(?:(?!\1).)+\1/g, (code) => "x".repeat(code.length));
  const inline = line.matchAll(/\]\(\s*<?([^\s)>]+)>?(?:\s+["'][^)]*)?\s*\)/g);
  const definition = line.matchAll(/^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/g);
  const attribute = line.matchAll(/\b(?:href|src)="([^"]+)"/g);
  return [...inline, ...definition, ...attribute]
    .map((match) => match[1])
    .filter((target) => !/^[a-z][a-z+.-]*:|^\/\//i.test(target));
}

/**
 * The anchors that GitHub gives to a page's headings, and the ones written as `id` or `name`.
 *
 * @param {string} text
 * @returns {Set<string>}
 */
export function anchorsIn(text) {
  const anchors = new Set();
  for (const line of proseIn(text)) {
    for (const [, name] of line.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(name);
    const heading = /^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = slugOf(heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1"));
    let unique = slug;
    for (let n = 1; anchors.has(unique); n += 1) unique = `${slug}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

/** The anchor that GitHub makes from the text of a heading. */
export function slugOf(text) {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** A page's lines, with code emptied so that line numbers stay. */
function proseIn(text) {
  const lines = text.split("\n");
  for (const block of blocksIn(text)) {
    lines.fill("", block.line - 1, block.line + block.lines.length + (block.isOpen ? 0 : 1));
  }
  return lines;
}
