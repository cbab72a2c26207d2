import { dashboard } from "@busbar/dashboard";

/** Shows what the bus does, at /busbar, to those who know the token. */
export const board = dashboard({
  basePath: "/busbar",
  token: process.env["DASHBOARD_TOKEN"] ?? "",
});
