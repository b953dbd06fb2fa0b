import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** How much of `X-Forwarded-For` is looked at, in characters from its end: some dozens of proxies. */
const longestForwarded = 2048;

/**
 * Client addresses of requests. `X-Forwarded-For` is believed as far as trusted proxies wrote it: from its end, the first
 * address that is none of theirs. Of `trustedProxies`, what {@link isProxy} refuses is left out.
 */
export function clientAddresses(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  if (trustedProxies.length === 0) return ({ socket }) => keyOf(socket.remoteAddress ?? "");
  const trusted = new BlockList();
  for (const proxy of trustedProxies) {
    const network = networkOf(proxy);
    if (network !== undefined) trusted.addSubnet(network.address, network.prefix, network.type);
  }
  return ({ socket, headers }) => {
    let client = plain(socket.remoteAddress ?? "");
    const forwarded = headers["x-forwarded-for"];
    // Node joins the lines of this header.
    if (typeof forwarded !== "string") return keyOf(client);
    for (const entry of forwarded.slice(-longestForwarded).split(",").toReversed()) {
      if (!isTrusted(trusted, client)) break;
      const before = plain(withoutPort(entry.trim()));
      // What is no address was made up: the last one that wrote it is all that is known.
      if (isIP(before) === 0) break;
      client = before;
    }
    return keyOf(client);
  };
}

/** Whether a text is an address or a network like `10.0.0.0/8`. */
export function isProxy(text: string): boolean {
  return networkOf(text) !== undefined;
}

interface Network {
  readonly address: string;
  /** Bits that are the network's. */
  readonly prefix: number;
  readonly type: "ipv4" | "ipv6";
}

function networkOf(text: string): Network | undefined {
  const [, address = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const prefix = bits === undefined ? most : Number(bits);
  return version === 0 || prefix > most ? undefined : { address, prefix, type: version === 6 ? "ipv6" : "ipv4" };
}

function isTrusted(list: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 6 ? "ipv6" : "ipv4");
}

/** `1.2.3.4:80` and `[::1]:80`, which some proxies write. */
function withoutPort(entry: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(entry)?.[1] ?? entry;
}

/** An IPv4 address that came over an IPv6 socket is one. */
function plain(address: string): string {
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/** A host of IPv6 has a whole /64 to choose from: that is what counts as one client, however its address is written. */
function keyOf(address: string): string {
  const client = plain(address);
  if (isIP(client) !== 6) return client;
  const [head = "", tail] = client.split("%", 1)[0]?.split("::") ?? [];
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length);
  const all = [...groups, ...Array.from({ length: zeros }, () => "0"), ...after];
  const network = all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}
