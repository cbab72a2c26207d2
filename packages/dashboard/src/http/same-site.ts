import { Problem } from "./problem.ts";

/** The header that the page sends with every request that changes something. No form of another site can send it. */
const HEADER = "busbar-request";

/**
 * Checks that the page itself or a program has sent a request that changes something. A page of another site could use
 * the cookie of a person who is signed in.
 *
 * @throws Problem when the request may come from another site.
 */
export function assertOwnRequest(request: Request): void {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin") {
    throw new Problem(
      "foreign-request",
      `Header sec-fetch-site: must not be ${JSON.stringify(site)}`,
    );
  }
  if (request.headers.get(HEADER) !== "1") {
    throw new Problem("foreign-request", `Header ${HEADER}: must be 1`);
  }
}
