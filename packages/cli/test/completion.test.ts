import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { runCli } from "./support/run-cli.ts";

test("bash completes commands, the commands below them, and options", async () => {
  const { stdout: script } = await runCli(["completion", "bash"]);
  const lines = [
    ["busbar", "de"],
    ["busbar", "dead", ""],
    ["busbar", "--json", "dead", "list", "--rea"],
  ];
  const program = lines
    .map((words) => {
      const list = words.map((word) => `"${word}"`).join(" ");
      return `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _busbar; echo "\${COMPREPLY[*]}"`;
    })
    .join("\n");
  const output = execFileSync("bash", ["-c", `${script}\n${program}`], { encoding: "utf8" });
  const [first, second, third] = output.split("\n");
  expect(first).toBe("dev dead");
  expect(second).toMatch(/^list show replay discard .*--json/);
  expect(third).toBe("--reason");
});

test("zsh uses the functions of bash, and fish has a line for each word", async () => {
  expect((await runCli(["completion", "zsh"])).stdout).toMatch(/^autoload -U \+X bashcompinit/);
  const { stdout } = await runCli(["completion", "fish"]);
  expect(stdout).toContain("-n '__fish_use_subcommand' -a dead -d 'List, show, replay and discard");
  expect(stdout).toContain(
    "'__fish_seen_subcommand_from dead; and __fish_seen_subcommand_from list' -l reason",
  );
  expect(await runCli(["completion", "tcsh"])).toMatchObject({ code: 2 });
});
