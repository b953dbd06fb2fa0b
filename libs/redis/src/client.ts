import type { Socket } from "node:net";
import { Cluster, Redis } from "ioredis";
import {
  backoffMs,
  type Clock,
  isWeftError,
  type Log,
  type Secret,
  silentLog,
  systemClock,
  WeftError,
} from "@weft/kit";
import { Call } from "./call.ts";
import { makeRedis, reconnectPauses } from "./connect.ts";
import { bare, isUnknownScript, redisError } from "./errors.ts";
import { Link } from "./link.ts";
import { Pending } from "./pending.ts";
import type { RedisScript } from "./script.ts";
import { readRedisUrl } from "./settings.ts";

export interface OpenRedisOptions {
  /** `redis://[user:password@]host[:port][,host…][/db][?namespace=…&tls=true&cluster=true]`, or `rediss://`. */
  readonly url: Secret;
  /** What a call may take, in milliseconds; a connection that is silent for so long while calls wait is dropped. Default 5,000. */
  readonly timeoutMs?: number;
  /** How long the server may take for its first answer, in milliseconds. Default 10,000. */
  readonly openTimeoutMs?: number;
  /** How long after a loss calls wait for a new connection, in milliseconds. Default 1,000. */
  readonly graceMs?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Connections that are lost and found. Default: silent. */
  readonly log?: Log;
}

/** Text goes as UTF-8. */
export type RedisArgument = string | Buffer;

/** Texts come as bytes. */
export type RedisReply = Buffer | number | null | readonly RedisReply[];

/**
 * A connection to Redis, or to each node of a cluster, that is made anew for ever.
 *
 * A call is sent once at most, and ends: with the reply; `UNAVAILABLE` when the connection was lost (what was under way
 * may have happened) or has been away for longer than the grace; `DEADLINE_EXCEEDED` after `timeoutMs`;
 * `RESOURCE_EXHAUSTED` when the server has no room; `INVALID_CONFIGURATION` when it refuses the user.
 */
export interface RedisClient extends AsyncDisposable {
  /** What every key begins with, so that meshes can share a server. */
  readonly namespace: string;
  /** One command. On a cluster it goes to the node of its first key, which has to be that of all of its keys. */
  call(command: string, args: RedisArgument[]): Promise<RedisReply>;
  /** A script; all keys that it touches share a hash tag with the first. */
  run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply>;
}

/**
 * Resolves when the server has answered. `INVALID_CONFIGURATION` for a bad URL or when it refuses the user;
 * `UNAVAILABLE` when it can't be reached within `openTimeoutMs`.
 */
export async function openRedis(options: OpenRedisOptions): Promise<RedisClient> {
  const client = new Client(options);
  try {
    await client.open(options.openTimeoutMs ?? 10_000);
    return client;
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

/** For calls under way when the client is closed, in milliseconds. */
const closeTimeoutMs = 2000;
/** How many commands wait for others of their turn. */
const maxHeld = 8;

class Client implements RedisClient {
  readonly namespace: string;
  readonly #redis: Redis | Cluster;
  readonly #link: Link;
  readonly #pending: Pending;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #closed = new AbortController();
  #lastError: Error | undefined;
  /** Where commands of this turn are held back, and how many. */
  #held: { readonly stream: Pick<Socket, "cork" | "uncork">; commands: number } | undefined;

  constructor({ url, timeoutMs = 5000, graceMs = 1000, clock = systemClock, log = silentLog }: OpenRedisOptions) {
    const settings = readRedisUrl(url);
    this.namespace = settings.namespace;
    this.#clock = clock;
    this.#log = log;
    this.#link = new Link({ clock, graceMs });
    this.#redis = makeRedis(settings, timeoutMs);
    this.#pending = new Pending({
      timeoutMs,
      clock,
      late: () => new WeftError("DEADLINE_EXCEEDED", `Redis gave no answer within ${timeoutMs} ms`),
      onSilence: () => this.#drop(),
    });
    void this.#pending.watch(this.#closed.signal);
    this.#redis.on("connect", () => void this.#limitHandshake(timeoutMs));
  }

  async open(timeoutMs: number): Promise<void> {
    const opened = Promise.withResolvers<void>();
    // It may come after the time is up.
    opened.promise.catch(() => undefined);
    this.#watch(opened.resolve, (error) => {
      // Time does not mend these.
      if (isWeftError(error, "INVALID_CONFIGURATION")) opened.reject(error);
    });
    this.#redis.connect().catch(() => undefined);
    const late = this.#clock.sleep(timeoutMs, this.#closed.signal).then(
      () => {
        const cause = this.#lastError;
        throw new WeftError("UNAVAILABLE", `Redis gave no answer within ${timeoutMs} ms`, { cause });
      },
      () => undefined,
    );
    await Promise.race([opened.promise, late]);
  }

  call(command: string, args: RedisArgument[]): Promise<RedisReply> {
    if (this.#link.isUp) return this.#send(command, args);
    return this.#link.usable().then(() => this.#send(command, args));
  }

  async run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply> {
    const rest = [String(keys.length), ...keys, ...args];
    if (!this.#link.isUp) await this.#link.usable();
    try {
      return await this.#send("evalsha", [script.sha, ...rest]);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return this.#send("eval", [script.lua, ...rest]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed.signal.aborted) return;
    const wasUp = this.#link.isUp;
    this.#link.close();
    this.#closed.abort();
    if (wasUp) {
      const done = new AbortController();
      const late = this.#clock.sleep(closeTimeoutMs, done.signal).catch(() => undefined);
      await Promise.race([this.#redis.quit().catch(() => undefined), late]);
      done.abort();
    }
    this.#redis.disconnect();
  }

  #send(name: string, args: RedisArgument[]): Promise<RedisReply> {
    const call = new Call(name, args, this.#pending);
    this.#holdBack();
    return this.#redis.sendCommand(call) as Promise<RedisReply>;
  }

  /**
   * Commands of one turn leave together: a system call for each would cost more than all else. Of many a part leaves
   * before, so that the server works on it while the rest is made.
   */
  #holdBack(): void {
    const held = this.#held;
    if (held !== undefined) {
      held.commands += 1;
      if (held.commands % maxHeld !== 0) return;
      held.stream.uncork();
      held.stream.cork();
      return;
    }
    if (this.#redis instanceof Cluster || this.#pending.size < 2) return;
    const { stream } = this.#redis;
    this.#held = { stream, commands: 0 };
    stream.cork();
    process.nextTick(() => {
      this.#held = undefined;
      stream.uncork();
    });
  }

  /** Gives up a connection that is dead, whatever TCP thinks of it; a new one is made. A cluster's end by themselves. */
  #drop(): void {
    if (this.#redis instanceof Redis) this.#redis.stream.destroy();
  }

  async #limitHandshake(timeoutMs: number): Promise<void> {
    if (this.#redis instanceof Cluster) return;
    const { stream } = this.#redis;
    await this.#clock.sleep(timeoutMs, this.#closed.signal).catch(() => undefined);
    if (this.#link.isUp || this.#link.isClosed || this.#redis.stream !== stream) return;
    stream.destroy();
  }

  #watch(onUp: () => void, onError: (error: WeftError) => void): void {
    this.#redis.on("ready", () => {
      onUp();
      if (!this.#link.isUp) this.#log.info({}, "connected to Redis");
      this.#link.up();
      this.#lastError = undefined;
    });
    // Without a listener ioredis prints it.
    this.#redis.on("error", (error: Error) => {
      this.#lastError = bare(error);
      onError(redisError(error));
    });
    this.#redis.on("close", () => {
      if (this.#link.isUp) this.#log.warn({ err: this.#lastError }, "the connection to Redis was lost");
      this.#link.lost(this.#lastError);
    });
    // ioredis gives up where a connection is dropped while it is being made.
    this.#redis.on("end", () => void this.#startOver());
  }

  async #startOver(): Promise<void> {
    try {
      await this.#clock.sleep(backoffMs(4, reconnectPauses), this.#closed.signal);
    } catch {
      return;
    }
    this.#redis.connect().catch(() => undefined);
  }
}
