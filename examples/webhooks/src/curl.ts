import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A request to the REST interface. */
export interface Command {
  /** @default "GET" */
  readonly method?: "GET" | "POST";
  readonly path: string;
  /** The query of a search. */
  readonly query?: string;
  /** The body, as JSON. */
  readonly body?: string;
}

/** Where the REST interface is, and what allows its use. */
export interface Access {
  readonly url: string;
  readonly token: string;
}

/**
 * Prints a curl command, runs it, and resolves with the JSON that is answered. On a machine without curl, `fetch` sends
 * the same request.
 */
export async function curl(access: Access, command: Command): Promise<unknown> {
  const options = optionsOf(command);
  console.log(`  $ ${shellCommand(command.path, options)}`);
  let answer: { readonly status: number; readonly text: string };
  try {
    answer = await runCurl(access, command.path, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    console.error("There is no curl on this machine: fetch sends the request");
    answer = await runFetch(access, command);
  }
  const { status, text } = answer;
  if (status >= 400) throw new Error(`The shop answers ${status}: ${text}`);
  return JSON.parse(text);
}

/** The options of a command, each with its value. */
type Options = readonly (readonly [name: string, value?: string])[];

function optionsOf({ method = "GET", query, body }: Command): Options {
  const options: [string, string?][] = [];
  if (method === "POST") options.push(["--request", "POST"]);
  if (query !== undefined) options.push(["--get"], ["--data-urlencode", `query=${query}`]);
  if (body !== undefined) {
    options.push(["--header", "Content-Type: application/json"], ["--data", body]);
  }
  return options;
}

/** The command as one would write it in a shell. */
function shellCommand(path: string, options: Options): string {
  const lines = options.map(([name, value]) => {
    if (value === undefined || /^\w+$/.test(value)) return [name, value].join(" ").trimEnd();
    return `${name} '${value.replaceAll("\n", "\n      ")}'`;
  });
  const authorization = '--header "Authorization: Bearer $TOKEN"';
  return [`curl "$SHOP${path}"`, authorization, ...lines].join(" \\\n      ");
}

async function runCurl({ url, token }: Access, path: string, options: Options) {
  const authorization = ["--header", `Authorization: Bearer ${token}`];
  const output = ["--silent", "--show-error", "--write-out", "\n%{http_code}"];
  const given = options.flat().filter((word) => word !== undefined);
  const { stdout } = await run("curl", [`${url}${path}`, ...authorization, ...output, ...given]);
  const end = stdout.lastIndexOf("\n");
  return { text: stdout.slice(0, end), status: Number(stdout.slice(end)) };
}

async function runFetch({ url, token }: Access, { method = "GET", path, query, body }: Command) {
  const search = query === undefined ? "" : `?${new URLSearchParams({ query }).toString()}`;
  const response = await fetch(`${url}${path}${search}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body ?? null,
  });
  return { text: await response.text(), status: response.status };
}
