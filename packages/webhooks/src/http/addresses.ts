import { BlockList, isIP, isIPv4 } from "node:net";

/**
 * Ranges that no webhook is delivered to: what is reachable from this machine or its network only, what is no address of
 * one machine, and metadata services of clouds. `AddressGuardOptions.allow` opens parts of them.
 */
const BLOCKED: readonly string[] = [
  "0.0.0.0/8", // this machine
  "10.0.0.0/8", // private
  "100.64.0.0/10", // behind a carrier's NAT; metadata of Alibaba Cloud
  "127.0.0.0/8", // loopback
  "168.63.129.16", // the platform of Azure
  "169.254.0.0/16", // link-local; metadata of most clouds
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments; metadata of Oracle Cloud
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // relays of 6to4
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, and broadcast
  "::/96", // unspecified, loopback, and IPv4-compatible
  "::ffff:0:0:0/96", // IPv4-translated
  "64:ff9b:1::/48", // NAT64 within a network
  "100::/64", // discarded
  "100:0:0:1::/64", // dummy
  "2001::/23", // protocol assignments, Teredo among them
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4
  "3fff::/20", // documentation
  "5f00::/16", // segment routing
  "fc00::/7", // unique local; metadata of AWS and Google Cloud
  "fe80::/10", // link-local
  "fec0::/10", // site-local
  "ff00::/8", // multicast
];

/** A set of ranges of addresses. */
export class AddressRanges {
  readonly #v4 = new BlockList();
  readonly #v6 = new BlockList();

  /**
   * @param ranges Addresses and CIDR ranges, such as `10.1.0.0/16`.
   * @throws RangeError that names the first one that is neither.
   */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = "", prefix] = range.split("/", 2);
      const isV4 = isIPv4(address);
      const bits = isV4 ? 32 : 128;
      const length = prefix === undefined ? bits : Number(prefix);
      const isRange = range.split("/").length < 3 && /^\d{1,3}$/.test(prefix ?? "0");
      if (!isIP(address) || address.includes("%") || !isRange || length > bits) {
        throw new RangeError(
          `${JSON.stringify(range)} is neither an address nor a range such as 10.1.0.0/16`,
        );
      }
      if (isV4) this.#v4.addSubnet(address, length, "ipv4");
      else this.#v6.addSubnet(address, length, "ipv6");
    }
  }

  /** Whether an address, as {@link canonicalAddress} returns it, is in one of the ranges. */
  has(address: string): boolean {
    return isIPv4(address) ? this.#v4.check(address, "ipv4") : this.#v6.check(address, "ipv6");
  }
}

/** The ranges that are blocked unless they are allowed. */
export function blockedRanges(): AddressRanges {
  return new AddressRanges(BLOCKED);
}

/**
 * Returns the IPv4 address that an IPv6 address stands for, if it is IPv4-mapped or of a NAT64 gateway. Any other address
 * stays what it is, without its zone.
 */
export function canonicalAddress(address: string): string {
  const [plain = ""] = address.split("%", 1);
  if (isIP(plain) !== 6) return plain;
  const groups = groupsOf(plain);
  const prefix = groups
    .slice(0, 6)
    .map((group) => group.toString(16))
    .join(":");
  if (prefix !== "0:0:0:0:0:ffff" && prefix !== "64:ff9b:0:0:0:0") return plain;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join(".");
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const hex = address.replace(/\d+\.\d+\.\d+\.\d+$/, (v4) => {
    const [a = 0, b = 0, c = 0, d = 0] = v4.split(".").map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = [], tail] = hex
    .split("::")
    .map((part) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16))));
  if (!tail) return head;
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
