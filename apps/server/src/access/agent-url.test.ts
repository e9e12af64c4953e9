import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkAgentUrl, type Lookup } from "./agent-url.js";

const unresolvable: Lookup = () => Promise.reject(new Error("ENOTFOUND"));
const resolvesTo =
  (...addresses: string[]): Lookup =>
  () =>
    Promise.resolve(
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );

async function verdict(
  url: string,
  { isSaas = false, lookup = unresolvable }: { isSaas?: boolean; lookup?: Lookup } = {},
): Promise<"accepted" | "refused"> {
  try {
    await checkAgentUrl(url, { isSaas, lookup });
    return "accepted";
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_AGENT_URL_REFUSED") throw error;
    return "refused";
  }
}
const inBothModes = async (url: string, lookup?: Lookup) => [
  await verdict(url, { isSaas: false, ...(lookup === undefined ? {} : { lookup }) }),
  await verdict(url, { isSaas: true, ...(lookup === undefined ? {} : { lookup }) }),
];

const ALWAYS_FORBIDDEN_IPV4 = [
  ["0.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["168.63.129.16", 32],
] as const;
const PRIVATE_IPV4 = [
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
] as const;

const toNumber = (dotted: string) =>
  dotted.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
const toDotted = (value: number) =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
const within = (networks: readonly (readonly [string, number])[]) =>
  fc
    .constantFrom(...networks)
    .chain(([base, bits]) =>
      fc.integer({ min: 0, max: 2 ** (32 - bits) - 1 }).map((offset) => toNumber(base) + offset),
    );

/** The ways to write one IPv4 address that some parser, somewhere, takes for it. */
function notationsOf(value: number): string[] {
  const parts = toDotted(value).split(".").map(Number);
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  const hex = (part: number) => part.toString(16);
  return [
    parts.join("."),
    `${parts.join(".")}.`,
    String(value),
    `0x${hex(value)}`,
    `0X${hex(value).toUpperCase()}`,
    `0${value.toString(8)}`,
    parts.map((part) => `0x${hex(part)}`).join("."),
    parts.map((part) => `0${part.toString(8)}`).join("."),
    parts.map((part) => `000${part.toString(8)}`).join("."),
    `${a}.${b * 65_536 + c * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    parts.join("。"),
    parts.join("%2e"),
    parts.join(".").replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    `[::ffff:${parts.join(".")}]`,
    `[::ffff:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
    `[0:0:0:0:0:FFFF:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
  ];
}
/** Tunnels and translations that lead to an IPv4 address. */
function wrappingsOf(value: number): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = toDotted(value).split(".").map(Number);
  const high = (a * 256 + b).toString(16);
  const low = (c * 256 + d).toString(16);
  return [
    `[::${toDotted(value)}]`,
    `[::ffff:0:${high}:${low}]`,
    `[64:ff9b::${high}:${low}]`,
    `[64:ff9b:1::${high}:${low}]`,
    `[2002:${high}:${low}::1]`,
    `[2001:0:${high}:${low}::1]`,
  ];
}

const port = fc.constantFrom("", ":80", ":8000");
const scheme = fc.constantFrom("http", "https", "HTTP");

describe("the URL of an agent", () => {
  it.each([
    "",
    " ",
    "agent",
    "//agent.example",
    "http://",
    "http:///x",
    "file:///etc/passwd",
    "ftp://93.184.216.34/",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "ws://93.184.216.34/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1]/",
    "http://[::]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fcff:ffff::1]/",
    "http://[100::1]/",
    "http://[4000::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://169.254.169.254/latest/meta-data",
    "http://255.255.255.255/",
    "http://user:password@93.184.216.34/",
    "http://93.184.216.34@127.0.0.1/",
    "http://127.0.0.1#@93.184.216.34/",
    "http://127.0.0.1\\@93.184.216.34/",
    "http://①②⑦.⓪.⓪.①/",
    `http://93.184.216.34/${"a".repeat(2048)}`,
  ])("%s is refused in every mode", async (url) => {
    expect(await inBothModes(url)).toEqual(["refused", "refused"]);
  });

  it("with a host in a range nobody may ask for is refused however the address is written", async () => {
    await fc.assert(
      fc.asyncProperty(within(ALWAYS_FORBIDDEN_IPV4), scheme, port, async (value, as, at) => {
        for (const host of [...notationsOf(value), ...wrappingsOf(value)]) {
          expect([host, ...(await inBothModes(`${as}://${host}${at}/x`))]).toEqual([
            host,
            "refused",
            "refused",
          ]);
        }
      }),
    );
  });

  it("with a private address is accepted in SaaS mode only, however it is written", async () => {
    await fc.assert(
      fc.asyncProperty(within(PRIVATE_IPV4), scheme, port, async (value, as, at) => {
        for (const host of notationsOf(value)) {
          expect([host, ...(await inBothModes(`${as}://${host}${at}/x`))]).toEqual([
            host,
            "refused",
            "accepted",
          ]);
        }
        for (const host of wrappingsOf(value)) {
          expect([host, ...(await inBothModes(`${as}://${host}${at}/`))]).toEqual([
            host,
            "refused",
            "refused",
          ]);
        }
      }),
    );
  });

  it("with an address of fd00::/8 is accepted in SaaS mode only, of fc00::/8 never", async () => {
    const tail = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 7, maxLength: 7 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 0xff }), tail, async (low, parts) => {
        const rest = parts.map((part) => part.toString(16)).join(":");
        const byte = low.toString(16).padStart(2, "0");
        const isMetadata = (low === 0 && parts[0] === 0xec2) || (low === 0x20 && parts[0] === 0xce);
        expect(await inBothModes(`http://[fd${byte}:${rest}]:8000/`)).toEqual([
          "refused",
          isMetadata ? "refused" : "accepted",
        ]);
        expect(await inBothModes(`http://[fc${byte}:${rest}]:8000/`)).toEqual([
          "refused",
          "refused",
        ]);
      }),
    );
  });

  it.each([
    "http://93.184.216.34:8000/a?b=c",
    "https://[2606:4700::1111]/",
    "http://[::ffff:8.8.8.8]/",
  ])("%s is accepted without a lookup", async (text) => {
    const url = await checkAgentUrl(text, { isSaas: false, lookup: unresolvable });
    expect(new URL(url).href).toBe(new URL(text).href);
  });

  it("is given back as it was understood", async () => {
    const check = (text: string) => checkAgentUrl(text, { isSaas: false });
    expect(await check("HTTP://8.8.8.8:80")).toBe("http://8.8.8.8");
    expect(await check("http://8.8.8.8\\@169.254.169.254/")).toBe(
      "http://8.8.8.8/@169.254.169.254/",
    );
  });

  it("never throws anything but its refusal", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.webUrl(),
          fc.string().map((x) => `http://${x}`),
        ),
        async (text) => {
          expect(["accepted", "refused"]).toContain(await verdict(text));
        },
      ),
    );
  });
});

describe("the name in the URL of an agent", () => {
  it("that resolves to public addresses is accepted", async () => {
    const lookup = resolvesTo("93.184.216.34", "2606:4700::1111");
    const url = await checkAgentUrl("http://agent.example:8000", { isSaas: false, lookup });
    expect(url).toBe("http://agent.example:8000");
  });

  it("that resolves to one bad address among good ones is refused", async () => {
    await fc.assert(
      fc.asyncProperty(within(ALWAYS_FORBIDDEN_IPV4), fc.nat(2), async (bad, at) => {
        const addresses = ["93.184.216.34", "8.8.8.8"];
        addresses.splice(at, 0, toDotted(bad));
        const lookup = resolvesTo(...addresses);
        expect(await inBothModes("http://agent.example/", lookup)).toEqual(["refused", "refused"]);
      }),
    );
  });

  it.each([
    ["nothing", []],
    ["a loopback address", ["127.0.0.1"]],
    ["the IPv6 loopback address", ["::1"]],
    ["a mapped loopback address", ["::ffff:127.0.0.1"]],
    ["a link-local address with its zone", ["fe80::1%eth0"]],
  ])("that resolves to %s is refused in every mode", async (_what, addresses) => {
    const lookup = resolvesTo(...addresses);
    expect(await inBothModes("http://agent.example/", lookup)).toEqual(["refused", "refused"]);
  });

  it("that does not resolve is refused in every mode", async () => {
    expect(await inBothModes("http://agent.invalid/")).toEqual(["refused", "refused"]);
  });

  it("that is private is accepted in SaaS mode only", async () => {
    const lookup = resolvesTo("10.1.2.3");
    expect(await inBothModes("http://agent.example/", lookup)).toEqual(["refused", "accepted"]);
  });

  it.each(["http://localhost:8000/", "http://LOCALHOST/", "http://localhost./"])(
    "%s is accepted, as this machine and nothing else",
    async (url) => {
      expect(await inBothModes(url, resolvesTo("::1", "127.0.0.1"))).toEqual([
        "accepted",
        "accepted",
      ]);
      expect(await inBothModes(url, resolvesTo("10.1.2.3"))).toEqual(["refused", "refused"]);
      expect(await inBothModes(url, resolvesTo("93.184.216.34"))).toEqual(["refused", "refused"]);
    },
  );

  it("is given up when the caller does, with the caller's reason", async () => {
    const abort = new AbortController();
    const lookup: Lookup = () => new Promise(() => undefined);
    const check = checkAgentUrl("http://agent.example/", {
      isSaas: false,
      lookup,
      signal: abort.signal,
    });
    abort.abort(new Error("no longer wanted"));
    await expect(check).rejects.toThrow("no longer wanted");
  });

  it("is not repeated to the reader when it is refused", async () => {
    const check = checkAgentUrl("http://s3cret.invalid/", { isSaas: false, lookup: unresolvable });
    await expect(check).rejects.not.toThrow("s3cret");
  });
});
