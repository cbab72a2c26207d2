import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HttpClient } from "../../src/http/client.ts";
import { AddressGuard, type AddressGuardOptions } from "../../src/http/guard.ts";
import { type Receiver, startReceiver } from "../../src/testing.ts";

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

/** Posts to a URL in which PORT is that of a receiver on this machine. */
async function post(url: string, options?: AddressGuardOptions): Promise<number> {
  const client = new HttpClient({ guard: new AddressGuard(options) });
  try {
    const { status } = await client.post({
      url: new URL(url.replace("PORT", String(receiver.port))),
      headers: {},
      body: "{}",
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
    return status;
  } finally {
    await client.close();
  }
}

/** Addresses that name servers of the attacker may answer. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "loopback.attacker.example": ["127.0.0.1"],
  "127.0.0.1.nip.example": ["127.0.0.1"],
  "loopback6.attacker.example": ["::1"],
  "mapped.attacker.example": ["::ffff:127.0.0.1"],
  "mapped-hex.attacker.example": ["::ffff:7f00:1"],
  "compatible.attacker.example": ["::127.0.0.1"],
  "nat64.attacker.example": ["64:ff9b::7f00:1"],
  "6to4.attacker.example": ["2002:7f00:1::"],
  "teredo.attacker.example": ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
  "metadata.attacker.example": ["169.254.169.254"],
  "metadata6.attacker.example": ["fd00:ec2::254"],
  "zone.attacker.example": ["fe80::1%lo"],
  "private.attacker.example": ["10.0.0.1", "172.16.0.1", "192.168.0.1"],
  "any.attacker.example": ["0.0.0.0", "::"],
  // What a resolver finds at the end of a chain of CNAMEs is all that one sees of it.
  "cname.attacker.example": ["127.0.0.1"],
  "nonsense.attacker.example": ["127.1", "0x7f000001", "", "localhost"],
  "xn--ls8h.attacker.example": ["127.0.0.1"],
  "localhost.": ["127.0.0.1", "::1"],
};
const lookup = async (name: string): Promise<readonly string[]> => NAMES[name] ?? [];

describe("an address", () => {
  test.each([
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.255.255.254:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://①②⑦.0.0.1:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://public.example@127.0.0.1:PORT/",
    "http://public.example:80@127.0.0.1:PORT/#@public.example/",
    "http://127.0.0.1:PORT\\@public.example/",
    "http:127.0.0.1:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:0:7f00:1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fd20:ce::254]/computeMetadata/v1/",
    "http://[ff02::1]:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0251.0376.0251.0376/latest/meta-data/",
    "http://[::ffff:a9fe:a9fe]/latest/meta-data/",
    "http://[64:ff9b::a9fe:a9fe]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v2/instance/",
    "http://168.63.129.16/machine",
    "http://10.0.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
  ])("%s is blocked before a look-up, for good", async (url) => {
    const looked: string[] = [];
    const spy = async (name: string): Promise<readonly string[]> => {
      looked.push(name);
      return ["127.0.0.1"];
    };
    await expect(post(url, { lookup: spy })).rejects.toMatchObject({
      errorClass: "blocked_address",
      retryable: false,
    });
    expect(looked).toEqual([]);
  });

  test("with a zone is no URL", () => {
    expect(URL.canParse("http://[fe80::1%25lo]/")).toBe(false);
  });
});

describe("a name", () => {
  test.each(Object.keys(NAMES))("%s is blocked for now", async (name) => {
    await expect(post(`http://${name}:PORT/`, { lookup })).rejects.toMatchObject({
      errorClass: "blocked_address",
      retryable: true,
    });
  });

  test.each(["localhost", "LOCALHOST", "localhost."])(
    "%s is blocked with the resolver of the system",
    async (name) => {
      await expect(post(`http://${name}:PORT/`)).rejects.toMatchObject({
        errorClass: expect.stringMatching(/^(blocked_address|dns_error)$/) as string,
      });
    },
  );

  test("is resolved once, so one that changes in between gains nothing", async () => {
    const answers = [["192.0.9.1"], ["127.0.0.1"]];
    const rebinding = async (): Promise<readonly string[]> => answers.shift() ?? ["127.0.0.1"];
    const guard = new AddressGuard({ lookup: rebinding });
    const open = await new Promise((resolve) => {
      guard.socketLookup("rebinding.attacker.example", { all: true }, (_error, found) => {
        resolve(found);
      });
    });
    expect([open, answers]).toEqual([[{ address: "192.0.9.1", family: 4 }], [["127.0.0.1"]]]);
    await expect(post("http://rebinding.attacker.example:PORT/", { lookup: rebinding }))
      .rejects //
      .toMatchObject({ errorClass: "blocked_address" });
  });

  test("reaches the open ones of its addresses only", async () => {
    const mixed = async (): Promise<readonly string[]> => ["10.9.9.9", "127.0.0.1", "::1"];
    const guard = new AddressGuard({ lookup: mixed, allow: ["127.0.0.1"] });
    expect(await guard.addressesOf("mixed.example")).toEqual(["127.0.0.1"]);
    expect(await post("http://mixed.example:PORT/", { lookup: mixed, allow: ["127.0.0.1"] })).toBe(
      200,
    );
  });

  test("without an address is a fault of the name", async () => {
    await expect(post("http://nothing.example/", { lookup: async () => [] })).rejects.toMatchObject(
      {
        errorClass: "dns_error",
        retryable: true,
        message: "The name nothing.example has no address",
      },
    );
    const failing = async (): Promise<never> => {
      throw Object.assign(new Error("queryA ESERVFAIL"), { code: "ESERVFAIL" });
    };
    await expect(post("http://failing.example/", { lookup: failing })).rejects.toMatchObject({
      errorClass: "dns_error",
      message: "The name failing.example could not be resolved (ESERVFAIL)",
    });
  });
});

test("the other side of a connection is checked, too", () => {
  const guard = new AddressGuard();
  expect(() => guard.assertPeer("127.0.0.1")).toThrow(/may not go to/);
  expect(() => guard.assertPeer(undefined)).toThrow(/may not go to/);
  guard.assertPeer("93.184.216.34");
});

describe("allow and deny", () => {
  test.each<[string, AddressGuardOptions, boolean]>([
    ["8.8.8.8", {}, false],
    ["2606:4700:4700::1111", {}, false],
    ["::ffff:8.8.8.8", {}, false],
    ["64:ff9b::808:808", {}, false],
    ["10.1.2.3", { allow: ["10.1.0.0/16"] }, false],
    ["::ffff:10.1.2.3", { allow: ["10.1.0.0/16"] }, false],
    ["64:ff9b::a01:203", { allow: ["10.1.0.0/16"] }, false],
    ["10.2.0.0", { allow: ["10.1.0.0/16"] }, true],
    ["10.1.2.3", { allow: ["10.1.0.0/16"], deny: ["10.1.2.0/24"] }, true],
    ["8.8.8.8", { deny: ["8.8.8.8"] }, true],
    ["::ffff:808:808", { deny: ["8.8.8.0/24"] }, true],
    ["fd12::1", { allow: ["fd12::/16"] }, false],
    ["fd12::1%eth0", { allow: ["fd12::/16"] }, false],
    ["fd13::1", { allow: ["fd12::/16"] }, true],
    ["9.9.9.9", { allow: ["0.0.0.0/0"], deny: ["::/0"] }, false],
    ["no address", { allow: ["0.0.0.0/0", "::/0"] }, true],
  ])("%s with %o is blocked: %s", (address, options, blocked) => {
    expect(new AddressGuard(options).isBlocked(address)).toBe(blocked);
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0/8",
    "::/129",
    "fe80::1%lo",
    "a",
    "",
    "1.1.1.1/8/9",
    "1.1.1.1/-1",
  ])("%s is no range", (range) => {
    expect(() => new AddressGuard({ allow: [range] })).toThrow(
      `${JSON.stringify(range)} is neither an address nor a range such as 10.1.0.0/16`,
    );
  });
});

test("nothing has come through", () => {
  // The name of which one address was open.
  expect(receiver.requests).toHaveLength(1);
});
