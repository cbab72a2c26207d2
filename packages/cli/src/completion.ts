import type { Command } from "commander";

/** The shells that commands can be completed in. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** A command with what may follow it. */
interface Completed {
  /** The words that lead to the command: `dead list`. Empty for the program itself. */
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly { readonly flag: string; readonly description: string }[];
}

/** Returns the script that completes the commands and options of a program. */
export function completionScript(program: Command, shell: Shell): string {
  const all = completedOf(program, []);
  if (shell === "fish") return fishScript(program.name(), all);
  const bash = bashScript(program.name(), all);
  return shell === "bash" ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`;
}

function completedOf(command: Command, path: readonly string[]): readonly Completed[] {
  const inner = command.commands.filter((it) => it.name() !== "help");
  const options = [...command.options, ...(path.length === 0 ? [] : rootOf(command).options)];
  return [
    {
      path,
      commands: inner.map((it) => ({ name: it.name(), description: firstSentence(it) })),
      options: options.flatMap(({ long, description }) =>
        long === undefined || long === null ? [] : [{ flag: long, description }],
      ),
    },
    ...inner.flatMap((it) => completedOf(it, [...path, it.name()])),
  ];
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function firstSentence(command: Command): string {
  return command.description().split(/(?<=\.) /)[0] ?? "";
}

/** Finds the command by the words that are no options, and offers what may follow it. */
function bashScript(name: string, all: readonly Completed[]): string {
  const cases = all.map(({ path, commands, options }) => {
    const words = [...commands.map((it) => it.name), ...options.map(({ flag }) => flag)];
    return `    "${path.join(" ")}") candidates="${words.join(" ")}" ;;`;
  });
  const known = all.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`);
  return `_${name}() {
  local word next path="" candidates="" current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${known.join("|")}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
}

function fishScript(name: string, all: readonly Completed[]): string {
  const lines = all.flatMap(({ path, commands, options }) => {
    const inner = commands.map((it) => it.name).join(" ");
    const [first] = path;
    const isHere =
      first === undefined
        ? "__fish_use_subcommand"
        : [
            ...path.map((word) => `__fish_seen_subcommand_from ${word}`),
            ...(inner === "" ? [] : [`not __fish_seen_subcommand_from ${inner}`]),
          ].join("; and ");
    return [
      ...commands.map(
        (it) =>
          `complete -c ${name} -f -n ${quoted(isHere)} -a ${it.name} -d ${quoted(it.description)}`,
      ),
      ...options.map(
        ({ flag, description }) =>
          `complete -c ${name} -n ${quoted(isHere)} -l ${flag.slice(2)} -d ${quoted(description)}`,
      ),
    ];
  });
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
