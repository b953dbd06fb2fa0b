import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from "kysely";
import { Pool, type PoolClient, type PoolConfig } from "pg";
import { FailureLog, type Log, systemClock, WeftError } from "@weft/kit";
import { endClient } from "./end-client.ts";
import { isQueryTimeout, postgresError } from "./errors.ts";

/** A pool as kysely takes it, which throws WeftErrors and nothing else. */
export class MappedPool implements PostgresPool {
  readonly options: object;
  readonly #pool: Pool;
  readonly #clients = new WeakMap<PoolClient, MappedClient>();
  readonly #open = new Set<PoolClient>();
  readonly #outage: FailureLog;
  #ended: Promise<void> | undefined;

  constructor(config: PoolConfig, log: Log) {
    this.#pool = new Pool(config);
    this.options = this.#pool.options;
    const [began, ended] = ["a connection to the database was lost", "the database is connected again"];
    this.#outage = new FailureLog(log, { began, ended });
    this.#pool.on("error", (error) => this.#lost(error));
    // A connection that is lost while a caller holds it emits `error` too, which nobody else listens for then.
    this.#pool.on("connect", (client) => {
      this.#outage.worked();
      this.#open.add(client);
      client.on("error", () => undefined);
    });
    this.#pool.on("remove", (client) => this.#open.delete(client));
  }

  async connect(): Promise<PostgresPoolClient> {
    if (this.#ended !== undefined) throw new WeftError("UNAVAILABLE", "the database handle is closed");
    try {
      const client = await this.#pool.connect();
      let mapped = this.#clients.get(client);
      if (mapped === undefined) {
        mapped = new MappedClient(client);
        this.#clients.set(client, mapped);
      }
      return mapped;
    } catch (error) {
      const mapped = postgresError(error);
      if (mapped.reason === "UNAVAILABLE") this.#lost(error);
      throw mapped;
    }
  }

  #lost(error: unknown): void {
    if (this.#ended === undefined) this.#outage.failed(error);
  }

  /** Waits up to `limitMs` for connections in use, then cuts them. */
  end(limitMs = 5000): Promise<void> {
    this.#ended ??= this.#end(limitMs);
    return this.#ended;
  }

  async #end(limitMs: number): Promise<void> {
    const limit = new AbortController();
    const cut = async (): Promise<void> => {
      await systemClock.sleep(limitMs, limit.signal);
      await Promise.all([...this.#open].map(endNow));
    };
    // A holder that never gives its connection back does not hold up the end.
    await Promise.race([this.#pool.end(), cut().catch(() => undefined)]);
    limit.abort();
  }
}

class MappedClient implements PostgresPoolClient {
  readonly #client: PoolClient;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    sql: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof sql !== "string") throw new WeftError("UNIMPLEMENTED", "queries are not streamed");
    return this.#query<R>(sql, parameters);
  }

  release(destroy?: boolean): void {
    this.#client.release(destroy);
  }

  async #query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    try {
      // pg types `command` as a string; it is the tag of the statement that kysely sent.
      return (await this.#client.query(sql, [...parameters])) as unknown as PostgresQueryResult<R>;
    } catch (error) {
      // The answer may still come, or never: cut the connection at once, so that nobody waits behind it.
      if (isQueryTimeout(error)) void endNow(this.#client);
      throw postgresError(error);
    }
  }
}

/** pg destroys the socket when a query is under way. Its types hide `end` on clients of a pool. */
async function endNow(client: PoolClient): Promise<void> {
  if (canEnd(client)) await endClient(client, systemClock);
}

function canEnd(client: PoolClient): client is PoolClient & { end(): Promise<void> } {
  return "end" in client && typeof client.end === "function";
}
