import { WeftError } from "@weft/kit";
import { type RedisClient, redisScript } from "@weft/redis";

/** The longest TTL that is asked of the server, in milliseconds: ten years. Redis refuses what it can't add to its time. */
const maxTtlMs = 10 * 365 * 86_400_000;

/**
 * KEYS: the lock, the last token. ARGV: the claim, the TTL. The token as text; or, of a lock that is held, for how many
 * milliseconds yet.
 *
 * A token is the server's time in microseconds, or one more than the last where that did not grow.
 */
const takeScript = redisScript(`
local left = redis.call('PTTL', KEYS[1])
if left ~= -2 then return left end
local time = redis.call('TIME')
local token = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
if token <= last then token = last + 1 end
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return text
`);

const renewScript = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

const freeScript = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`);

/** What came of a try to take a lock. */
export type Taken =
  | { readonly held: true; readonly token: bigint }
  /** Another's lease ends in so many milliseconds at the earliest, unless it is released. */
  | { readonly held: false; readonly leftMs: number };

/** The locks of a namespace on the server: one key each while they are held, and one for the last token of all. */
export class LockRecords {
  readonly #redis: RedisClient;
  readonly #tag: string;

  constructor(redis: RedisClient) {
    this.#redis = redis;
    // One slot of a cluster: the token is counted with the lock.
    this.#tag = `{${redis.namespace}:lock}`;
  }

  /** @param claim names the holder; never used twice */
  async take(name: string, claim: string, ttlMs: number): Promise<Taken> {
    const keys = [this.#key(name), `${this.#tag}:token`];
    const reply = await this.#redis.run(takeScript, keys, [claim, wholeMs(ttlMs)]);
    if (reply instanceof Buffer) return { held: true, token: BigInt(reply.toString()) };
    if (typeof reply === "number") return { held: false, leftMs: reply };
    throw new WeftError("INTERNAL", "Redis gave neither a token nor a time");
  }

  /** False when the claim does not hold the lock any more. */
  async renew(name: string, claim: string, ttlMs: number): Promise<boolean> {
    return (await this.#redis.run(renewScript, [this.#key(name)], [claim, wholeMs(ttlMs)])) === 1;
  }

  /** Does nothing when the claim does not hold the lock. */
  async free(name: string, claim: string): Promise<void> {
    await this.#redis.run(freeScript, [this.#key(name)], [claim]);
  }

  #key(name: string): string {
    return `${this.#tag}/${name}`;
  }
}

function wholeMs(ttlMs: number): string {
  return String(Math.min(Math.ceil(ttlMs), maxTtlMs));
}
