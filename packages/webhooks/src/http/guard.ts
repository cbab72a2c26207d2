import { lookup as lookupAll } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { callbackify } from "node:util";
import { AddressRanges, blockedRanges, canonicalAddress } from "./addresses.ts";
import { HttpFault } from "./http-fault.ts";

/** Finds the addresses of a name. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

/** Which addresses deliveries may go to. */
export interface AddressGuardOptions {
  /**
   * Addresses and CIDR ranges that are open although they are private or reserved, such as `["10.1.0.0/16"]`. They hold
   * for every port.
   *
   * @default []
   */
  readonly allow?: readonly string[] | undefined;
  /**
   * Addresses and CIDR ranges that are closed, such as the public ones of your own machines. They win over `allow`.
   *
   * @default []
   */
  readonly deny?: readonly string[] | undefined;
  /**
   * Finds the addresses of a name. It is asked once for each connection.
   *
   * @default the resolver of the operating system, `/etc/hosts` included
   */
  readonly lookup?: Lookup | undefined;
}

/**
 * Keeps connections away from addresses that outsiders must not reach through us (server-side request forgery). A name
 * is resolved once for each connection; the connection goes to an address that this look-up found and that is open, so
 * a name that changes in between gains nothing. A URL that has an address instead of a name is checked before the
 * connection, and the address of the other side once more after it.
 *
 * By default loopback, private, link-local, shared, documentation, benchmark, multicast and reserved ranges of IPv4 and
 * IPv6 are closed, and with them the metadata services of clouds. IPv6 addresses that stand for an IPv4 address are
 * judged by that one.
 */
export class AddressGuard {
  readonly #allow: AddressRanges;
  readonly #deny: AddressRanges;
  readonly #blocked = blockedRanges();
  /** What was found of the last addresses: each request asks, and asking the ranges takes longer than signing. */
  readonly #known = new Map<string, boolean>();
  readonly #lookup: Lookup;

  /** @throws RangeError when `allow` or `deny` has something that is neither an address nor a range. */
  constructor(options: AddressGuardOptions = {}) {
    this.#allow = new AddressRanges(options.allow ?? []);
    this.#deny = new AddressRanges(options.deny ?? []);
    this.#lookup = options.lookup ?? systemLookup;
  }

  /** Whether no delivery may go to an address. What is no address is blocked. */
  isBlocked(address: string | undefined): boolean {
    if (address === undefined) return true;
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const isBlocked = this.#isBlocked(canonicalAddress(address));
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(address, isBlocked);
    return isBlocked;
  }

  #isBlocked(canonical: string): boolean {
    if (isIP(canonical) === 0 || this.#deny.has(canonical)) return true;
    return this.#blocked.has(canonical) && !this.#allow.has(canonical);
  }

  /**
   * Checks the host of a URL, as far as that is possible without a look-up.
   *
   * @throws HttpFault `blocked_address` for an address that is blocked. It is not worth another attempt.
   */
  assertHost(hostname: string): void {
    const bare = withoutBrackets(hostname);
    if (isIP(bare) === 0 || !this.isBlocked(bare)) return;
    throw new HttpFault(
      "blocked_address",
      `${bare} is an address that deliveries may not go to`,
      NOT_RETRYABLE,
    );
  }

  /**
   * Returns the addresses of a host that deliveries may go to: at least one.
   *
   * @throws HttpFault `blocked_address` when the host has other addresses only. `dns_error` when it has none.
   */
  async addressesOf(hostname: string): Promise<readonly string[]> {
    this.assertHost(hostname);
    const bare = withoutBrackets(hostname);
    if (isIP(bare) !== 0) return [bare];
    const found = await this.#found(bare);
    const open = found.filter((address) => !this.isBlocked(address));
    if (open.length > 0) return open;
    throw new HttpFault(
      "blocked_address",
      `${bare} has addresses only that deliveries may not go to`,
    );
  }

  /** For the option `lookup` of a socket: finds open addresses only. */
  readonly socketLookup: LookupFunction = callbackify(async (hostname: string) => {
    const open = await this.addressesOf(hostname);
    return open.map((address) => ({ address, family: isIP(address) }));
  }) as unknown as LookupFunction;

  /** @throws HttpFault `blocked_address` when a socket has been connected to a blocked address all the same. */
  assertPeer(remoteAddress: string | undefined): void {
    if (!this.isBlocked(remoteAddress)) return;
    throw new HttpFault(
      "blocked_address",
      "The connection went to an address that deliveries may not go to",
    );
  }

  async #found(hostname: string): Promise<readonly string[]> {
    try {
      const found = await this.#lookup(hostname);
      if (found.length > 0) return found;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const reason = typeof code === "string" ? ` (${code})` : "";
      throw new HttpFault("dns_error", `The name ${hostname} could not be resolved${reason}`, {
        cause,
      });
    }
    throw new HttpFault("dns_error", `The name ${hostname} has no address`);
  }
}

/** Addresses that are remembered at most. */
const MOST_KNOWN = 10_000;
const NOT_RETRYABLE = { retryable: false } as const;

async function systemLookup(hostname: string): Promise<readonly string[]> {
  const found = await lookupAll(hostname, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

function withoutBrackets(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}
