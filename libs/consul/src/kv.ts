import { WeftError } from "@weft/kit";
import type { Blocking, Consul } from "./client.ts";

/** An entry of Consul's key/value store. */
export interface KvEntry {
  readonly key: string;
  readonly value: string;
  /** A number that Consul keeps beside the value. */
  readonly flags: number;
  /** Grows with every change of the entry; the index of that change in Consul's log. */
  readonly modifyIndex: number;
  /** Who holds its lock. */
  readonly session: string | undefined;
}

/** One step of a transaction (https://developer.hashicorp.com/consul/api-docs/txn). */
export type KvOperation =
  | { readonly verb: "set"; readonly key: string; readonly value: string; readonly flags: number }
  | { readonly verb: "lock"; readonly key: string; readonly value: string; readonly session: string }
  | { readonly verb: "check-session"; readonly key: string; readonly session: string }
  | { readonly verb: "delete"; readonly key: string }
  | { readonly verb: "delete-cas"; readonly key: string; readonly index: number };

/**
 * Does all operations or none. The entries that were set or locked, without their values; undefined when a condition did
 * not hold. Keys are in the body, which takes any text, where a path would lose `//` and `..`.
 */
export async function transact(
  consul: Consul,
  operations: readonly KvOperation[],
  options: { readonly timeoutMs?: number } = {},
): Promise<readonly KvEntry[] | undefined> {
  const body = operations.map(({ verb, key, ...rest }) => ({
    KV: {
      ...{ Verb: verb, Key: key },
      ...("value" in rest && { Value: Buffer.from(rest.value).toString("base64") }),
      ...("flags" in rest && { Flags: rest.flags }),
      ...("session" in rest && { Session: rest.session }),
      ...("index" in rest && { Index: rest.index }),
    },
  }));
  const answer = await consul.call({ method: "PUT", path: ["txn"], body, accept: [409], ...options });
  if (answer.status === 409) {
    const { Errors: errors } = answer.body as { Errors: readonly { What: string }[] | null };
    // Consul says so with the status of a conflict.
    const refusal = errors?.find(({ What: what }) => what.startsWith("Permission denied"));
    if (refusal !== undefined) throw new WeftError("PERMISSION_DENIED", `Consul's txn: ${refusal.What}`);
    return undefined;
  }
  const { Results: results } = answer.body as { Results: readonly { KV: RawEntry }[] | null };
  return (results ?? []).map(({ KV: entry }) => toEntry(entry));
}

/**
 * The entries under a key that ends with a slash, or the entry of one that doesn't. `PERMISSION_DENIED` where Consul says
 * that it left some out; to a token that it doesn't know it never says so, and gives none.
 */
export async function readKv(
  consul: Consul,
  path: readonly string[],
  options: { readonly blocking?: Blocking | undefined; readonly signal?: AbortSignal } = {},
): Promise<{ readonly entries: readonly KvEntry[]; readonly index: string | undefined }> {
  const query: Record<string, string> = path.at(-1) === "" ? { recurse: "true" } : {};
  const answer = await consul.call({ path: ["kv", ...path], query, accept: [404], ...options });
  if (answer.filtered)
    throw new WeftError("PERMISSION_DENIED", `the Consul token may not read all of ${path.join("/")}`);
  // The empty body of a 404 is no entry.
  const entries = Array.isArray(answer.body) ? (answer.body as RawEntry[]).map(toEntry) : [];
  return { entries, index: answer.index };
}

/** A name of any text as one part of a key's path: percent-encoded, and no path's `.` or `..`. `INVALID_ARGUMENT` for half of a character. */
export function keyPart(name: string): string {
  if (!name.isWellFormed()) throw new WeftError("INVALID_ARGUMENT", "a name is well-formed Unicode");
  return /^\.+$/.test(name) ? name.replaceAll(".", "%2E") : encodeURIComponent(name);
}

interface RawEntry {
  readonly Key: string;
  readonly Value: string | null;
  readonly Flags: number;
  readonly ModifyIndex: number;
  readonly Session?: string;
}

function toEntry({
  Key: key,
  Value: value,
  Flags: flags,
  ModifyIndex: modifyIndex,
  Session: session,
}: RawEntry): KvEntry {
  return { key, value: Buffer.from(value ?? "", "base64").toString(), flags, modifyIndex, session };
}
