import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

const compress = promisify(gzip);

const DOCUMENT = "index.html";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".woff2": "font/woff2",
};

const NOT_BUILT =
  "The page of the dashboard is not built. In the repository of Busbar, run: pnpm build\n";

interface PageFile {
  readonly type: string;
  readonly etag: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  /** Absent where it saves nothing. */
  readonly gzipped?: Uint8Array<ArrayBuffer> | undefined;
}

/** The built page, in memory: what is not in it does not exist, whatever a path looks like. */
export class Page {
  readonly #files: ReadonlyMap<string, PageFile>;

  private constructor(files: ReadonlyMap<string, PageFile>) {
    this.#files = files;
  }

  /**
   * Reads the built page.
   *
   * @param basePath Comes before the paths of scripts and styles in the document.
   */
  static async read(basePath: string, folder: string): Promise<Page> {
    const names = await entriesOf(folder);
    const files = names
      .filter((entry) => entry.isFile() && extname(entry.name) in TYPES)
      .map(async (entry): Promise<[string, PageFile]> => {
        const path = join(entry.parentPath, entry.name);
        const name = path.slice(join(folder, "/").length).split(sep).join("/");
        const content = await readFile(path);
        return [
          name,
          await toFile(name, name === DOCUMENT ? withBase(content, basePath) : content),
        ];
      });
    return new Page(new Map(await Promise.all(files)));
  }

  /** Whether there is a document. Without one, the page was not built. */
  get isBuilt(): boolean {
    return this.#files.has(DOCUMENT);
  }

  /** Answers a GET or a HEAD: a file of the page, or the document for each path that a page may have. */
  answer(request: Request, path: string): Response {
    const name = path.replace(/^\/+/, "");
    const file = this.#files.get(name);
    if (file && name !== DOCUMENT) return answerFile(request, file, name);
    // The names of files have an extension, the paths of pages have none.
    if (name.startsWith("assets/")) return textResponse(404, "There is no such file\n");
    if (name === "favicon.ico" || name === "robots.txt") {
      return textResponse(404, "There is no such file\n");
    }
    const document = this.#files.get(DOCUMENT);
    return document ? answerFile(request, document, DOCUMENT) : textResponse(503, NOT_BUILT);
  }
}

/**
 * Reads the page when a request needs it, and keeps it once it is there. Requests that come meanwhile wait for the same
 * page. If the page cannot be read, or is not built, the next request reads it again.
 */
export function keepPage(read: () => Promise<Page>): () => Promise<Page> {
  let kept: Promise<Page> | undefined;
  const readNow = async (): Promise<Page> => {
    let isBuilt = false;
    try {
      const page = await read();
      isBuilt = page.isBuilt;
      return page;
    } finally {
      if (!isBuilt) kept = undefined;
    }
  };
  return () => (kept ??= readNow());
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** An answer in plain text. */
export function textResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const all = { "content-type": "text/plain; charset=utf-8", ...headers };
  return new Response(text, { status, headers: all });
}

/** The build makes relative paths, which would be wrong below `/events`: they get the path of the dashboard. */
function withBase(document: Uint8Array, basePath: string): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(document);
  return new TextEncoder().encode(
    text.replaceAll(
      /\b(src|href|content)="\.\//g,
      (_, attribute: string) => `${attribute}="${basePath}/`,
    ),
  );
}

async function toFile(name: string, content: Uint8Array): Promise<PageFile> {
  const plain = new Uint8Array(content);
  const gzipped = new Uint8Array(await compress(plain, { level: 9 }));
  const hash = createHash("sha256").update(plain).digest("base64url").slice(0, 22);
  return {
    type: TYPES[extname(name)]!,
    etag: `"${hash}"`,
    plain,
    gzipped: gzipped.length < plain.length * 0.9 ? gzipped : undefined,
  };
}

function answerFile(request: Request, file: PageFile, name: string): Response {
  // The names of assets change with their content.
  const isHashed = name.startsWith("assets/");
  const headers: Record<string, string> = {
    "content-type": file.type,
    "cache-control": isHashed ? "public, max-age=31536000, immutable" : "no-cache",
    etag: file.etag,
    vary: "accept-encoding",
  };
  const known = (request.headers.get("if-none-match") ?? "").split(/\s*,\s*/);
  if (known.some((tag) => tag.replace(/^W\//, "") === file.etag)) {
    return new Response(null, { status: 304, headers });
  }
  const takesGzip = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(
    request.headers.get("accept-encoding") ?? "",
  );
  const body = (takesGzip ? file.gzipped : undefined) ?? file.plain;
  if (body === file.gzipped) headers["content-encoding"] = "gzip";
  headers["content-length"] = String(body.byteLength);
  return new Response(body, { status: 200, headers });
}
