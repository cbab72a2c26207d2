import type { BusHealth, BusInspection } from "@busbar/core";
import { type Finding, failed, ok, warning } from "./finding.ts";

/** Clocks of servers are rarely closer than that. */
const MOST_SKEW_MS = 1_000;

/** Looks at the health of the provider, and at the clocks. */
export function checkHealth({
  status,
  provider,
  detail,
  clockSkews,
}: BusHealth): readonly Finding[] {
  const said = detail === undefined ? "" : `: ${detail}`;
  const health =
    status === "up"
      ? ok("Provider", `${provider} works${said}`)
      : failed("Provider", `${provider} is ${status}${said}`, "Look at the server of the provider");
  const skews = (clockSkews ?? []).map(({ server, aheadMs }) =>
    Math.abs(aheadMs) > MOST_SKEW_MS
      ? warning(
          "Clock",
          `this machine is ${aheadMs} ms ahead of ${server}`,
          "Keep the clocks of all machines right with NTP",
        )
      : ok("Clock", `this machine and ${server} agree`),
  );
  return [health, ...skews];
}

/** Looks at instances and subscriptions. */
export function checkInspection({ instances, subscriptions }: BusInspection): readonly Finding[] {
  return [...checkInstances(instances), ...checkSubscriptions(subscriptions)];
}

function checkInstances(all: BusInspection["instances"]): readonly Finding[] {
  const running = all.filter(({ here }) => !here);
  if (running.length === 0) {
    return [
      warning(
        "Instances",
        "no process of the application reports to the provider",
        "Start the application. If it runs, it uses another name, another server or an older version",
      ),
    ];
  }
  const findings: Finding[] = [];
  for (const name of new Set(running.flatMap(({ versions }) => Object.keys(versions)))) {
    const versions = [...new Set(running.map((it) => it.versions[name] ?? "none"))];
    if (versions.length < 2) continue;
    const message = `instances run ${name} ${versions.join(" and ")}`;
    findings.push(
      warning("Instances", message, "Finish the deployment, or look for one that hangs"),
    );
  }
  const sick = running.filter(({ status }) => status !== "up");
  for (const { host, pid, status } of sick) {
    const message = `process ${pid} on ${host} is ${status}`;
    findings.push(warning("Instances", message, "Look at the log of this process"));
  }
  return findings.length > 0 ? findings : [ok("Instances", `${running.length} run, all alike`)];
}

function checkSubscriptions(all: BusInspection["subscriptions"]): readonly Finding[] {
  const findings = all.flatMap((it): Finding[] => {
    const { subscriberId: id, orphaned, withheld, pausedEverywhere, dead } = it;
    return [
      ...(orphaned
        ? [
            warning(
              "Subscriptions",
              `${id} gets no new events, ${withheld} so far: no process has declared it for long`,
              `Start a process with code for it, or run: busbar subscriptions retire ${id}`,
            ),
          ]
        : []),
      ...(pausedEverywhere
        ? [
            warning(
              "Subscriptions",
              `${id} is paused in every process`,
              `To go on, run: busbar subscriptions resume ${id}`,
            ),
          ]
        : []),
      ...(dead > 0
        ? [
            warning(
              "Subscriptions",
              `${id} has ${dead} dead letters`,
              `Look at them: busbar dead list --subscription ${id}`,
            ),
          ]
        : []),
      ...(id.endsWith("#anonymous")
        ? [warning("Subscriptions", `${id} has no id of its own`, "Give it a subscriberId")]
        : []),
    ];
  });
  return findings.length > 0 ? findings : [ok("Subscriptions", `${all.length}, nothing is wrong`)];
}
