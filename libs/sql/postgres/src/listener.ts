import { Client, type ClientConfig } from "pg";
import { backoffMs, type Clock, FailureLog, type Log, WeftError, withTimeout } from "@weft/kit";
import { endClient } from "./end-client.ts";
import { isQueryTimeout, postgresError } from "./errors.ts";

type OnNotify = () => void;

/**
 * Everything that one database handle listens to, on one connection of its own, opened with the first listener. When
 * the connection is lost it is opened again with growing waits, and then every listener is called once: what was
 * notified in between is gone.
 */
export class Listener implements AsyncDisposable {
  readonly #config: ClientConfig;
  readonly #clock: Clock;
  readonly #outage: FailureLog;
  readonly #channels = new Map<string, Set<OnNotify>>();
  readonly #closing = new AbortController();
  #connection: Promise<Client> | undefined;
  #reconnecting: Promise<void> | undefined;

  constructor(config: ClientConfig, options: { readonly clock: Clock; readonly log: Log }) {
    this.#config = config;
    this.#clock = options.clock;
    const began = "the connection that listens to the database was lost";
    this.#outage = new FailureLog(options.log, { began, ended: "the database is listened to again" });
  }

  async listen(channel: string, onNotify: OnNotify): Promise<AsyncDisposable> {
    if (this.#closing.signal.aborted) throw new WeftError("UNAVAILABLE", "the database handle is closed");
    // Each call is a listener of its own, even with the same function.
    const listener: OnNotify = () => onNotify();
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners.add(listener));
    try {
      await this.#reconnected();
      if (this.#closing.signal.aborted) throw new WeftError("UNAVAILABLE", "the database handle is closed");
      this.#connection ??= this.#connect();
      await listenOn(await this.#connection, channel, this.#clock);
    } catch (error) {
      listeners.delete(listener);
      throw postgresError(error);
    }
    return { [Symbol.asyncDispose]: async () => void listeners.delete(listener) };
  }

  /** A listener that comes while the server is away waits for it as long as a query would. */
  async #reconnected(): Promise<void> {
    const reconnecting = this.#reconnecting;
    if (reconnecting === undefined) return;
    const { connectionTimeoutMillis: timeoutMs = 5000 } = this.#config;
    const limit = { timeoutMs, what: "connecting to the database", clock: this.#clock };
    await withTimeout(() => reconnecting, limit).catch((cause: unknown) => {
      throw new WeftError("UNAVAILABLE", "the database can't be reached", { cause });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#channels.clear();
    await this.#reconnecting;
    const client = await this.#connection?.catch(() => undefined);
    if (client !== undefined) await endClient(client, this.#clock);
  }

  async #connect(): Promise<Client> {
    const client = new Client(this.#config);
    let lastError: unknown;
    client.on("error", (error) => (lastError = error));
    client.on("notification", ({ channel }) => this.#call(channel));
    try {
      await client.connect();
      for (const channel of this.#channels.keys()) await listenOn(client, channel, this.#clock);
    } catch (error) {
      this.#connection = undefined;
      client.end().catch(() => undefined);
      throw postgresError(error);
    }
    client.once("end", () => {
      if (!this.#closing.signal.aborted) this.#reconnecting ??= this.#reconnect(lastError);
    });
    return client;
  }

  async #reconnect(why: unknown): Promise<void> {
    this.#outage.failed(why);
    for (let attempt = 1; !this.#closing.signal.aborted; attempt += 1) {
      try {
        await this.#clock.sleep(backoffMs(attempt, { initialMs: 50, maxMs: 5000 }), this.#closing.signal);
        this.#connection = this.#connect();
        await this.#connection;
        this.#reconnecting = undefined;
        this.#outage.worked();
        for (const channel of this.#channels.keys()) this.#call(channel);
        return;
      } catch {
        // Not there yet, or closing.
      }
    }
    this.#reconnecting = undefined;
  }

  #call(channel: string): void {
    for (const listener of this.#channels.get(channel) ?? []) listener();
  }
}

async function listenOn(client: Client, channel: string, clock: Clock): Promise<void> {
  try {
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
  } catch (error) {
    // Who does not answer this has gone silent, and might for ever: a new connection is to find out.
    if (isQueryTimeout(error)) void endClient(client, clock);
    throw error;
  }
}
