import { relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { Cli, Does } from "../cli.ts";
import { createProject } from "../create/create-project.ts";
import { packageNameOf, packageNameProblem } from "../create/names.ts";
import { callingPackageManager, install, scriptCommand } from "../create/package-manager.ts";
import {
  FEATURES,
  PACKAGE_MANAGERS,
  type PackageManager,
  type ProjectKind,
  type ProjectPlan,
  PROVIDERS,
} from "../create/project-kinds.ts";
import { CommandFailure, ExitCode } from "../exit-codes.ts";
import { examples } from "../examples.ts";

/** The options that every kind has. */
interface CreateOptions {
  readonly name?: string | undefined;
  readonly packageManager?: PackageManager | undefined;
  readonly install: boolean;
  readonly yes?: boolean | undefined;
}

/** The options of an application. */
interface AppOptions extends CreateOptions {
  readonly provider?: ProjectPlan["provider"] | undefined;
  readonly with?: ProjectPlan["features"] | undefined;
}

const KINDS: Readonly<Record<ProjectKind, { what: string; folder: string; about: string }>> = {
  app: {
    what: "an application",
    folder: "my-app",
    about: "It has typed events, a subscriber, a test, and an HTTP server that emits.",
  },
  provider: {
    what: "a provider",
    folder: "busbar-my-provider",
    about:
      "It passes the conformance suite from the start. The hooks by which the suite breaks a durable provider say what\nthey must do.",
  },
  notifier: {
    what: "a notifier of webhooks",
    folder: "busbar-my-notifier",
    about: "It passes the tests that every notifier passes.",
  },
};

/** Adds `busbar create`. */
export function addCreate(program: Command, does: Does): void {
  const create = program
    .command("create")
    .description("Create an application, a provider or a notifier in a new folder.");
  addKind(create, "app")
    .addOption(new Option("--provider <name>", "what carries the events").choices(PROVIDERS))
    .option(
      "--with <features>",
      `features, with commas between: ${FEATURES.join(", ")}`,
      readFeatures,
    )
    .action(
      does((cli, folder: string | undefined, options: AppOptions) =>
        createKind(cli, "app", folder, options),
      ),
    );
  for (const kind of ["provider", "notifier"] as const) {
    addKind(create, kind).action(
      does((cli, folder: string | undefined, options: CreateOptions) =>
        createKind(cli, kind, folder, options),
      ),
    );
  }
}

function addKind(create: Command, kind: ProjectKind): Command {
  const { what, folder, about } = KINDS[kind];
  return create
    .command(`${kind} [folder]`)
    .description(`Create ${what}.`)
    .option("--name <name>", "name of the package (default: that of the folder)")
    .addOption(
      new Option(
        "--package-manager <name>",
        "what installs packages (default: what runs the command)",
      ).choices(PACKAGE_MANAGERS),
    )
    .option("--no-install", "write the files only: needs no network")
    .option("-y, --yes", "ask nothing")
    .addHelpText(
      "after",
      `\n${about} The folder must be new or empty.\n${examples({
        [`busbar create ${kind} ${folder}`]: `Create ${what} in the folder ${folder}`,
        [kind === "app"
          ? `busbar create app ${folder} --provider redis --with outbox,webhooks --yes`
          : `busbar create ${kind} ${folder} --name @acme/${folder} --no-install`]:
          "Answer by options",
      })}`,
    );
}

function readFeatures(text: string): ProjectPlan["features"] {
  const names = text.split(",").map((name) => name.trim());
  const chosen = names.filter((name) => name !== "");
  const unknown = chosen.find((name) => !(FEATURES as readonly string[]).includes(name));
  if (unknown === undefined) return chosen as unknown as ProjectPlan["features"];
  const message = `There is no feature ${JSON.stringify(unknown)}`;
  throw new CommandFailure(ExitCode.usage, message, `There are: ${FEATURES.join(", ")}.`);
}

async function createKind(
  cli: Cli,
  kind: ProjectKind,
  folder: string | undefined,
  options: AppOptions,
): Promise<ExitCode> {
  const { io, printer } = cli;
  const plan = await planOf(cli, kind, folder, options);
  const files = await createProject(plan);
  const { packageManager, directory, name } = plan;
  const place = relative(io.cwd, directory) || ".";
  printer.note(`Created ${files.length} files in ${place}.`);
  const installed = options.install && (await installIn(cli, plan));
  const next = [
    ...(place === "." ? [] : [`cd ${place}`]),
    ...(installed ? [] : [`${packageManager} install`]),
    ...(kind === "app" ? [scriptCommand(packageManager, "dev")] : []),
    scriptCommand(packageManager, "test"),
  ];
  printer.result({ kind, name, directory, files, installed, next }, () =>
    ["Next:", ...next.map((command) => `  ${command}`)].join("\n"),
  );
  return installed || !options.install ? ExitCode.ok : ExitCode.failed;
}

async function installIn({ io, printer }: Cli, plan: ProjectPlan): Promise<boolean> {
  printer.note(`Installing packages with ${plan.packageManager}.`);
  const installed = await install(plan.packageManager, plan.directory, io.signal);
  if (!installed) printer.note(`${plan.packageManager} install has failed. The files are written.`);
  return installed;
}

/** What the project is to be: as the options say, or as the user answers, or as the defaults are. */
async function planOf(
  { io }: Cli,
  kind: ProjectKind,
  folder: string | undefined,
  options: AppOptions,
): Promise<ProjectPlan> {
  const ask = options.yes === true ? async () => undefined : io.ask.bind(io);
  const given = folder ?? (await answer(ask, `Folder (${KINDS[kind].folder}): `));
  const directory = resolve(io.cwd, given ?? KINDS[kind].folder);
  const name = options.name ?? (await nameFor(ask, directory));
  const isApp = kind === "app";
  return {
    kind,
    directory,
    name,
    packageManager: options.packageManager ?? callingPackageManager(io.env),
    provider:
      options.provider ?? ((isApp && (await choice(ask, "Provider", PROVIDERS))) || "local"),
    features: options.with ?? ((isApp && (await choices(ask, "Features", FEATURES))) || []),
  };
}

type Ask = (question: string) => Promise<string | undefined>;

async function answer(ask: Ask, question: string): Promise<string | undefined> {
  const text = (await ask(question))?.trim();
  return text === "" ? undefined : text;
}

/** Asks only if the name of the folder is none for a package. */
async function nameFor(ask: Ask, directory: string): Promise<string> {
  const name = packageNameOf(directory);
  if (packageNameProblem(name) === undefined) return name;
  return (await answer(ask, "Name of the package: ")) ?? name;
}

async function choice<Name extends string>(
  ask: Ask,
  what: string,
  names: readonly Name[],
): Promise<Name | undefined> {
  const text = await answer(ask, `${what}: ${names.join(" or ")} (${names[0]}): `);
  return text === undefined ? undefined : chosen(text, what, names);
}

async function choices<Name extends string>(
  ask: Ask,
  what: string,
  names: readonly Name[],
): Promise<readonly Name[]> {
  const text = await answer(ask, `${what}, with spaces between: ${names.join(", ")} (none): `);
  return text?.split(/[\s,]+/).map((name) => chosen(name, what, names)) ?? [];
}

function chosen<Name extends string>(text: string, what: string, names: readonly Name[]): Name {
  const name = names.find((it) => it === text.toLowerCase());
  if (name !== undefined) return name;
  const message = `${what}: ${JSON.stringify(text)} is none of ${names.join(", ")}`;
  throw new CommandFailure(ExitCode.usage, message);
}
