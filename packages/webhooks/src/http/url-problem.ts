import type { AddressGuard } from "./guard.ts";

const MOST_CHARACTERS = 2_048;

/**
 * Says what is wrong with a URL to post to, in words that follow "must". A name is not resolved here: its addresses are
 * checked at each connection.
 *
 * @param guard Refuses addresses that may not be reached.
 */
export function urlProblem(
  text: string,
  guard: AddressGuard,
  { allowHttp }: { readonly allowHttp: boolean },
): string | undefined {
  const kind = allowHttp ? "be an http or https URL" : "be an https URL";
  if (text.length > MOST_CHARACTERS) return `have ${MOST_CHARACTERS} characters at most`;
  if (/\s/.test(text) || !URL.canParse(text)) return kind;
  const { protocol, username, password, hostname } = new URL(text);
  if (protocol !== "https:" && !(allowHttp && protocol === "http:")) return kind;
  if (username !== "" || password !== "") return "have no user name and no password";
  try {
    guard.assertHost(hostname);
  } catch {
    return "have an address that deliveries may go to, or a name";
  }
  return undefined;
}
