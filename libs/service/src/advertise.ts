import { hostname, networkInterfaces } from "node:os";
import { hostAndPort } from "@weft/kit";

/** Listens on every address of the machine, so it is none that a caller can use. */
const everyAddress: ReadonlySet<string> = new Set(["0.0.0.0", "::", "[::]", "*"]);

/**
 * The `host:port` by which others reach a listener on `address`. With `advertiseHost` it is that host; else the
 * listener's own, unless it listens on all addresses: then the first IPv4 address of the machine that is not its
 * loopback, or the machine's name when it has none. `advertisePort` goes before the listener's own port unless it is 0.
 */
export function advertised(address: string, advertiseHost: string | undefined, advertisePort = 0): string {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon);
  const named = advertiseHost ?? (everyAddress.has(host) ? machineAddress() : host);
  const port = advertisePort === 0 ? address.slice(colon + 1) : advertisePort;
  return hostAndPort(named, port);
}

function machineAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? hostname();
}
