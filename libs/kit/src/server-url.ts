import { WeftError } from "./errors.ts";
import type { Secret } from "./secret.ts";

/** A server's address as a block's URL gives it. */
export interface ServerUrl {
  /** At least one. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string | undefined;
  /** Or a token, where the server knows tokens. */
  readonly password: string | undefined;
  /** What stands after the hosts, without slashes at its ends; empty for nothing. */
  readonly path: string;
  /** What everything of this mesh is named under on the server, so that meshes can share it. Default `weft`. */
  readonly namespace: string;
  /** `?tls=true`. */
  readonly tls: boolean;
  /** The other parameters, each of those that the adapter knows. */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface ServerUrlOptions {
  /** For messages: `kafka`. */
  readonly scheme: string;
  readonly defaultPort: number;
  /** Names of parameters beside `namespace` and `tls`. */
  readonly parameters?: readonly string[];
}

const namespacePattern = /^[a-z][a-z0-9-]{0,31}$/;

/**
 * Reads `scheme://[user:password@]host[:port][,host[:port]…][/path][?namespace=…&tls=true&…]`.
 * `INVALID_CONFIGURATION` for anything else, without repeating the URL: it may hold a password.
 */
export function parseServerUrl(url: Secret, options: ServerUrlOptions): ServerUrl {
  const { scheme, defaultPort, parameters: known = [] } = options;
  // No '@' behind the hosts: it would be the end of a password that is not percent-encoded.
  const form = /^[a-z][a-z0-9+.-]*:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^@?#]*))?(?:\?([^@#]*))?$/i;
  const match = form.exec(url.reveal());
  if (match === null) throw invalid(scheme, "it has to look like this");
  const [, credentials = "", hosts = "", path = "", query = ""] = match;
  const [user, ...rest] = credentials.split(":");
  const { namespace = "weft", tls = "false", ...parameters } = readParameters(query, scheme, known);
  if (!namespacePattern.test(namespace)) throw invalid(scheme, "a namespace is 1 to 32 of a-z, 0-9 and '-'");
  if (tls !== "true" && tls !== "false") throw invalid(scheme, "tls is true or false");
  return {
    hosts: hosts.split(",").map((host) => readHost(host, scheme, defaultPort)),
    user: decode(user, scheme),
    password: decode(rest.join(":"), scheme),
    path: path.replace(/\/+$/, ""),
    namespace,
    tls: tls === "true",
    parameters,
  };
}

function readParameters(query: string, scheme: string, known: readonly string[]): Record<string, string> {
  const parameters = Object.fromEntries(new URLSearchParams(query));
  const unknown = Object.keys(parameters).find((name) => ![...known, "namespace", "tls"].includes(name));
  if (unknown === undefined) return parameters;
  throw invalid(scheme, `it has no parameter '${unknown}'; there are ${["namespace", "tls", ...known].join(", ")}`);
}

function readHost(text: string, scheme: string, defaultPort: number): { host: string; port: number } {
  const match = /^(\[[0-9a-f:]+\]|[^:[\]]+)(?::(\d{1,5}))?$/i.exec(text);
  const port = Number(match?.[2] ?? defaultPort);
  if (match?.[1] === undefined || port < 1 || port > 65_535) throw invalid(scheme, "a host has no valid name or port");
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}

function decode(text: string | undefined, scheme: string): string | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw invalid(scheme, "user or password are not percent-encoded", error);
  }
}

function invalid(scheme: string, why: string, cause?: unknown): WeftError {
  const form = `${scheme}://[user:password@]host[:port][,…][/path][?namespace=weft]`;
  return new WeftError("INVALID_CONFIGURATION", `the URL is not of the form ${form}: ${why}`, { cause });
}

/** `host:port`, with an IPv6 address in brackets. */
export function hostAndPort(host: string, port: number | string): string {
  return `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;
}
