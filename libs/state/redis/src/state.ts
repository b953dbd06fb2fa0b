import { type Clock, type Log, type Secret, silentLog, systemClock, WeftError } from "@weft/kit";
import { openRedis, type RedisArgument, type RedisClient, type RedisReply } from "@weft/redis";
import {
  checkKey,
  checkRange,
  checkSet,
  checkTransaction,
  rangeBounds,
  type RangeOptions,
  type SetOptions,
  type StateCapability,
  type StateEntry,
  type StateOperation,
  type StateStore,
} from "@weft/state";
import { checkEtag, Etags, pack, unpack } from "./entry.ts";
import { rangeScript, writeScript } from "./scripts.ts";

export interface OpenRedisStateOptions {
  /** See `openRedis`. */
  readonly url: Secret;
  /** Names the store within the namespace. Letters, digits, dashes and underscores. */
  readonly name: string;
  /** What a call may take, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /** For waits on the way back to a server. Entries expire by the server's clock. Default: the machine's. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
}

/**
 * Keyed state in Redis 6.2 or later.
 *
 * An entry is one Redis string, its etag before its value; beside them stands an index, a sorted set of all keys, for
 * `range`. Every entry is in the index; a key of the index whose entry expired is dropped when it is met. `get` is one
 * GET, `set` without conditions over an existing entry one SET; all else is one script.
 *
 * All keys of a store begin with `{namespace:state:name}`, whose braces put them in one slot of a cluster: so its
 * transactions and ranges see all of it. A store is as large as one node; stores spread over the nodes.
 *
 * What was written survives this process (S8), and as much of the server's end as the server is told to keep: with
 * `appendfsync everysec` a machine that crashes loses up to a second, a failover what the replica had not got.
 * `maxmemory-policy` has to be `noeviction` or one of `volatile-*`: others may drop the index or entries.
 *
 * `INVALID_CONFIGURATION` for a bad URL or user; `UNAVAILABLE` when the server does not answer within 10 s. Later errors
 * are those of `RedisClient`.
 */
export async function openRedisState(options: OpenRedisStateOptions): Promise<StateStore> {
  const { name, url, timeoutMs = 5000, clock = systemClock, log = silentLog } = options;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new WeftError("INVALID_ARGUMENT", "a store's name is 1 to 64 letters, digits, dashes and underscores");
  }
  const redis = await openRedis({ url, timeoutMs, clock, log });
  await warnOfEviction(redis, log);
  return new RedisState(redis, name);
}

/**
 * Keys that a range looks at beyond those asked for, so that expired ones don't cost a round each: twice as many each
 * round. `unpack` of Lua takes 8,000 values at most.
 */
const spareLooks = { first: 50, most: 2000 };
/** What one answer holds of a range, in bytes, unless a single value is larger. */
const pageBytes = 16 * 1024 * 1024;
/** What one transaction stores, in bytes: the server takes 1 GiB of a command by default. */
const transactionBytes = 512 * 1024 * 1024;
/** Keys of one MGET: the server does nothing else meanwhile. */
const manyKeys = 1000;

class RedisState implements StateStore {
  readonly capabilities: ReadonlySet<StateCapability> = new Set<StateCapability>(["transactions", "ttl", "ranges"]);
  readonly #redis: RedisClient;
  readonly #etags = new Etags();
  readonly #index: string;
  /** Before the key of an entry. */
  readonly #prefix: string;

  constructor(redis: RedisClient, name: string) {
    this.#redis = redis;
    const tag = `{${redis.namespace}:state:${name}}`;
    this.#index = `${tag}:index`;
    this.#prefix = `${tag}/`;
  }

  async get(key: string): Promise<StateEntry | undefined> {
    checkKey(key);
    return toEntry(key, await this.#redis.call("get", [this.#prefix + key]));
  }

  async getMany(keys: readonly string[]): Promise<readonly (StateEntry | undefined)[]> {
    keys.forEach(checkKey);
    const found: (StateEntry | undefined)[] = [];
    for (let at = 0; at < keys.length; at += manyKeys) {
      const page = keys.slice(at, at + manyKeys);
      const replies = listOf(
        await this.#redis.call(
          "mget",
          page.map((key) => this.#prefix + key),
        ),
      );
      page.forEach((key, index) => found.push(toEntry(key, replies[index] ?? null)));
    }
    return found;
  }

  async set(key: string, value: Uint8Array, options: SetOptions = {}): Promise<string> {
    checkSet(key, value, options);
    const etag = this.#etags.next();
    const stored = pack(etag, value);
    const { etag: over, ifAbsent = false, ttlMs } = options;
    // Over an entry that is there, and so is in the index, no script is needed.
    const isPlain = over === undefined && !ifAbsent && ttlMs === undefined;
    if (isPlain && (await this.#redis.call("set", [this.#prefix + key, stored, "xx"])) !== null) return etag;
    await this.#write([{ key, stored, ...options }]);
    return etag;
  }

  async delete(key: string, options: { readonly etag?: string } = {}): Promise<void> {
    checkKey(key);
    await this.#write([{ key, ...options }]);
  }

  async transaction(operations: readonly StateOperation[]): Promise<void> {
    checkTransaction(operations);
    const bytes = operations.reduce(
      (sum, operation) => sum + (operation.kind === "set" ? operation.value.byteLength : 0),
      0,
    );
    if (bytes > transactionBytes) {
      throw new WeftError(
        "PAYLOAD_TOO_LARGE",
        `the values of a transaction have at most ${transactionBytes} bytes together`,
      );
    }
    if (operations.length === 0) return;
    await this.#write(
      operations.map((operation) =>
        operation.kind === "set" ? { ...operation, stored: pack(this.#etags.next(), operation.value) } : operation,
      ),
    );
  }

  async range(options: RangeOptions): Promise<readonly StateEntry[]> {
    checkRange(options);
    const { limit, reverse = false } = options;
    const { from, to } = rangeBounds(options);
    let [low, high] = [bound("[", from), to === undefined ? "+" : bound("(", to)];
    const entries: StateEntry[] = [];
    for (let spare = spareLooks.first; ; spare = Math.min(2 * spare, spareLooks.most)) {
      const left = limit - entries.length;
      const [stoppedAt = null, ...found] = listOf(
        await this.#redis.run(
          rangeScript,
          [this.#index],
          [
            this.#prefix,
            ...(reverse ? ["ZREVRANGEBYLEX", high, low] : ["ZRANGEBYLEX", low, high]),
            ...[left, left + spare, pageBytes].map(String),
          ],
        ),
      );
      for (let at = 0; at + 1 < found.length; at += 2) {
        entries.push(unpack(bytesOf(found[at]).toString(), bytesOf(found[at + 1])));
      }
      if (stoppedAt === null || entries.length >= limit) return entries;
      if (reverse) high = bound("(", bytesOf(stoppedAt));
      else low = bound("(", bytesOf(stoppedAt));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis[Symbol.asyncDispose]();
  }

  async #write(writes: readonly Write[]): Promise<void> {
    const keys = [this.#index];
    const args: RedisArgument[] = [this.#prefix];
    for (const { key, etag, ifAbsent = false, ttlMs, stored = "" } of writes) {
      if (etag !== undefined) checkEtag(etag);
      keys.push(this.#prefix + key);
      args.push(key, etag ?? (ifAbsent ? "-" : ""), ttlMs === undefined ? "" : String(ttlMs), stored);
    }
    if ((await this.#redis.run(writeScript, keys, args)) === 1) return;
    throw new WeftError("ETAG_MISMATCH", "there is a value already, or it changed since the etag was read");
  }
}

/** A set, or a delete where nothing is `stored`. */
interface Write extends SetOptions {
  readonly key: string;
  readonly stored?: Buffer;
}

/** A bound of ZRANGEBYLEX: `[` takes the key in, `(` leaves it out. */
function bound(edge: "[" | "(", key: Buffer): Buffer {
  return Buffer.concat([Buffer.from(edge), key]);
}

function toEntry(key: string, reply: RedisReply): StateEntry | undefined {
  return reply === null ? undefined : unpack(key, bytesOf(reply));
}

function bytesOf(reply: RedisReply | undefined): Buffer {
  if (reply instanceof Buffer) return reply;
  throw new WeftError("INTERNAL", "Redis gave something else than bytes");
}

function listOf(reply: RedisReply): readonly RedisReply[] {
  if (reply instanceof Array) return reply;
  throw new WeftError("INTERNAL", "Redis gave something else than a list");
}

async function warnOfEviction(redis: RedisClient, log: Log): Promise<void> {
  try {
    const policy = /maxmemory_policy:(\S+)/.exec(String(await redis.call("info", ["memory"])))?.[1];
    if (policy?.startsWith("allkeys-")) {
      log.warn({ policy }, "this Redis drops state when its memory is full: maxmemory-policy should be noeviction");
    }
  } catch {
    // A user that may not ask is told nothing.
  }
}
