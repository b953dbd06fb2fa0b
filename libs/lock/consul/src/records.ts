import { type Blocking, type Consul, keyPart, type KvEntry, readKv, transact } from "@weft/consul";
import { isJsonObject, type JsonValue } from "@weft/kit";

/** A lock that somebody holds, as it stands in the store. Every renewal is another version. */
export interface LockRecord {
  /** Of the key; differs after every renewal. */
  readonly version: number;
  /** The session that holds it: each lease has its own. */
  readonly session: string | undefined;
  /** The holder's. */
  readonly ttlMs: number;
}

/** Consul's limits on the TTL of a session, in milliseconds. */
export const sessionTtlMs = { min: 10_000, max: 86_400_000 } as const;
/** Consul's limit, in milliseconds. */
const maxLockDelayMs = 60_000;
/** Of a record that is not ours to read: what `acquire` takes by default. */
const foreignTtlMs = 10_000;

/** The locks of a namespace in Consul. Each is a key while it is held, and none when it is free. */
export class LockRecords {
  readonly #consul: Consul;

  constructor(consul: Consul) {
    this.#consul = consul;
  }

  /** The record, or undefined when the lock is free. With `blocking`, when it changes. */
  async look(
    name: string,
    options: { readonly blocking?: Blocking | undefined; readonly signal: AbortSignal },
  ): Promise<{ readonly record: LockRecord | undefined; readonly index: string | undefined }> {
    const { entries, index } = await readKv(this.#consul, this.#path(name), options);
    return { record: entries[0] && toRecord(entries[0]), index };
  }

  /**
   * A session for one lease: what ends it on the server when its holder is gone for good, and deletes its record. That is
   * never before the lease's own end: its TTL is the lease's or longer, it hangs on no health check, and after its end the
   * lock stays closed for another TTL, for sessions also end with the agent's node.
   */
  async openSession(name: string, ttlMs: number): Promise<string> {
    const answer = await this.#consul.call({
      ...{ method: "PUT", path: ["session", "create"] },
      body: {
        Name: `${this.#consul.namespace} lock ${name}`,
        TTL: `${Math.ceil(Math.max(ttlMs, sessionTtlMs.min))}ms`,
        LockDelay: `${Math.ceil(Math.min(ttlMs, maxLockDelayMs))}ms`,
        Behavior: "delete",
        Checks: [],
        NodeChecks: [],
      },
    });
    return (answer.body as { readonly ID: string }).ID;
  }

  /**
   * Takes the lock if it is free, or held by exactly `over`. The fencing token, which is the index of this change in
   * Consul's log; undefined when somebody was faster, the session has ended, or the lock is closed for a while.
   */
  async take(name: string, ttlMs: number, session: string, over: LockRecord | undefined): Promise<bigint | undefined> {
    const key = this.#key(name);
    const lock = { verb: "lock" as const, key, value: JSON.stringify({ name, ttlMs }), session };
    const operations = over === undefined ? [lock] : [{ verb: "delete-cas" as const, key, index: over.version }, lock];
    const entry = (await transact(this.#consul, operations))?.at(-1);
    return entry && BigInt(entry.modifyIndex);
  }

  /** Makes the next version of a record. False when the session doesn't hold the lock any more. */
  async renew(name: string, ttlMs: number, session: string, beat: number, timeoutMs: number): Promise<boolean> {
    const key = this.#key(name);
    const value = JSON.stringify({ name, ttlMs });
    const operations = [
      { verb: "check-session" as const, key, session },
      { verb: "set" as const, key, value, flags: beat },
    ];
    return (await transact(this.#consul, operations, { timeoutMs })) !== undefined;
  }

  async renewSession(session: string, timeoutMs: number): Promise<void> {
    await this.#consul.call({ method: "PUT", path: ["session", "renew", session], timeoutMs });
  }

  /** Frees the lock if the session holds it. */
  async free(name: string, session: string, timeoutMs: number): Promise<void> {
    const key = this.#key(name);
    await transact(
      this.#consul,
      [
        { verb: "check-session", key, session },
        { verb: "delete", key },
      ],
      { timeoutMs },
    );
  }

  async endSession(session: string, timeoutMs: number): Promise<void> {
    await this.#consul.call({ method: "PUT", path: ["session", "destroy", session], timeoutMs });
  }

  #path(name: string): readonly string[] {
    return [this.#consul.namespace, "lock", keyPart(name)];
  }

  #key(name: string): string {
    return this.#path(name).join("/");
  }
}

function toRecord({ value, modifyIndex: version, session }: KvEntry): LockRecord {
  const ttlMs = ttlOf(value);
  return { version, session, ttlMs: ttlMs !== undefined && ttlMs > 0 ? ttlMs : foreignTtlMs };
}

function ttlOf(text: string): number | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isJsonObject(value) && typeof value["ttlMs"] === "number" ? value["ttlMs"] : undefined;
  } catch {
    return undefined;
  }
}
