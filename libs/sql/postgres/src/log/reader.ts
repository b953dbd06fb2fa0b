import { Client, type ClientConfig, type Connection, escapeIdentifier, escapeLiteral, type Submittable } from "pg";
import { type Clock, WeftError, withTimeout } from "@weft/kit";
import type { InsertLogReader, LoggedInserts } from "@weft/sql";
import { endClient } from "../end-client.ts";
import { replicationError } from "./errors.ts";
import { readMessage, statusMessage } from "./messages.ts";

/** How often the server hears from us, in milliseconds. */
const statusMs = 3000;
/** After what silence of either side the other one gives up, in milliseconds: another reader may come then. */
const silenceMs = 15_000;
/** From how many rows on the server has to wait, and from how many it may go on. Each is a few dozen bytes. */
const fullRows = 20_000;
const resumeRows = 10_000;

/** A connection on which the server sends its log. */
export function replicationClient(config: ClientConfig): Client {
  const replicating: ClientConfig & { readonly replication: "database" } = {
    ...config,
    replication: "database",
    // Neither making a log nor reading it ends after a time.
    statement_timeout: 0,
    query_timeout: 0,
    lock_timeout: 0,
    idle_in_transaction_session_timeout: 0,
    options: `-c wal_sender_timeout=${silenceMs}`,
  };
  return new Client(replicating);
}

export interface ReaderOptions {
  readonly config: ClientConfig;
  /** Numbers of the transactions that new queries do not see yet, and the first that none sees. */
  readonly unseen: () => Promise<UnseenTransactions>;
  readonly slot: string;
  readonly publication: string;
  readonly clock: Clock;
}

/** Resolves when the server has begun to send. */
export async function openReader(options: ReaderOptions): Promise<InsertLogReader> {
  const client = replicationClient(options.config);
  const reader = new Reader(client, options);
  try {
    await client.connect();
    const limit = { timeoutMs: silenceMs, what: "beginning to read the log", clock: options.clock };
    await withTimeout(() => reader.start(), limit);
    return reader;
  } catch (error) {
    await reader[Symbol.asyncDispose]();
    throw replicationError(error);
  }
}

/** Lower 32 bits of their numbers. */
export interface UnseenTransactions {
  readonly open: readonly number[];
  /** This one and all after it are unseen too. */
  readonly next: number;
}

/** A value, or where a transaction ends. */
type Entry = { readonly value: string; readonly transaction: number } | bigint;

/** How long a transaction may be in the log and not be seen, in milliseconds, and how often to look. */
const maxUnseenMs = 10_000;
const lookMs = 2;

/** Keeps what has come until it is asked for; a full buffer stops the connection. */
class Reader implements InsertLogReader, Submittable {
  readonly #client: Client;
  readonly #options: ReaderOptions;
  readonly #closing = new AbortController();
  readonly #started = Promise.withResolvers<void>();
  #entries: Entry[] = [];
  /** Of what a caller has, where the last transaction ends. */
  #given = 0n;
  #confirmed = 0n;
  /** Between a begin and its commit: nothing may be confirmed but by the caller. */
  #isInside = false;
  /** The one whose rows come now. */
  #transaction = 0;
  /** Those of which the last `read` gave rows. */
  #unsettled: ReadonlySet<number> = new Set();
  #isPaused = false;
  #heardMs: number;
  #failure: WeftError | undefined;
  #wake: () => void = () => undefined;

  constructor(client: Client, options: ReaderOptions) {
    this.#client = client;
    this.#options = options;
    this.#heardMs = options.clock.monotonic();
    client.on("error", (error) => this.handleError(error));
    client.on("end", () => this.handleError(new Error("Connection terminated")));
    this.#started.promise.catch(() => undefined);
  }

  async start(): Promise<void> {
    // pg's own events of the protocol; it hands a query's errors and data to the query, which is this.
    this.#client.connection.once("replicationStart", () => this.#started.resolve());
    this.#client.query(this);
    await this.#started.promise;
    void this.#report();
  }

  /** Called by pg. */
  submit(connection: Connection): void {
    const { slot, publication } = this.#options;
    const names = escapeLiteral(escapeIdentifier(publication));
    connection.query(
      `START_REPLICATION SLOT ${escapeIdentifier(slot)} LOGICAL 0/0 (proto_version '1', publication_names ${names})`,
    );
  }

  /** Called by pg. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    this.#heardMs = this.#options.clock.monotonic();
    const message = readMessage(chunk);
    switch (message.kind) {
      case "begin":
        this.#isInside = true;
        this.#transaction = message.transaction;
        return;
      case "insert":
        this.#entries.push({ value: message.value, transaction: this.#transaction });
        if (this.#entries.length >= fullRows && !this.#isPaused) this.#pause(true);
        this.#wake();
        return;
      case "commit":
        this.#isInside = false;
        this.#entries.push(message.position);
        this.#wake();
        return;
      case "keepalive":
        // Nothing of ours lies between: the server need not keep what others wrote.
        if (this.#isIdle() && message.position > this.#given) this.#given = this.#confirmed = message.position;
        if (message.wantsReply) this.#send(false);
        return;
      case "other":
        return;
    }
  }

  /** Called by pg; also for a connection that is lost. */
  handleError(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = replicationError(error);
    this.#started.reject(this.#failure);
    this.#closing.abort();
    this.#wake();
  }

  /** Called by pg when the server ends the stream, as it does when it stops. */
  handleCommandComplete(): void {
    this.handleError(new Error("Connection terminated"));
  }

  handleReadyForQuery(): void {
    this.handleError(new Error("Connection terminated"));
  }

  async read(limit: number, signal: AbortSignal): Promise<LoggedInserts> {
    const stop = (): void => this.#wake();
    signal.addEventListener("abort", stop);
    try {
      while (this.#entries.length === 0) {
        if (signal.aborted) throw new WeftError("CANCELLED", "the log is no longer read", { cause: signal.reason });
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return this.#take(limit);
  }

  async settled(): Promise<void> {
    const { clock, unseen } = this.#options;
    const endMs = clock.monotonic() + maxUnseenMs;
    for (;;) {
      const { open, next } = await unseen();
      // Numbers go round: one is after another if it is less than half of all ahead.
      const isUnseen = (one: number): boolean => open.includes(one) || ((one - next) | 0) >= 0;
      if (![...this.#unsettled].some(isUnseen)) return;
      if (clock.monotonic() > endMs) {
        throw new WeftError("UNAVAILABLE", "a transaction is in the server's log that others do not see");
      }
      await clock.sleep(lookMs, this.#closing.signal).catch(() => undefined);
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  confirm(position: bigint): void {
    if (position <= this.#confirmed) return;
    this.#confirmed = position;
    this.#send(false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.handleError(new WeftError("UNAVAILABLE", "the log is closed"));
    await endClient(this.#client, this.#options.clock);
  }

  #take(limit: number): LoggedInserts {
    const values: string[] = [];
    const transactions = new Set<number>();
    let position: bigint | undefined;
    let count = 0;
    for (const entry of this.#entries) {
      // A transaction that ends with the last value ends here.
      if (typeof entry === "bigint") position = entry;
      else if (values.length === limit) break;
      else {
        values.push(entry.value);
        transactions.add(entry.transaction);
      }
      count += 1;
    }
    this.#unsettled = transactions;
    this.#entries = this.#entries.slice(count);
    if (this.#isPaused && this.#entries.length <= resumeRows) this.#pause(false);
    if (position !== undefined) this.#given = position;
    return { values, position };
  }

  #isIdle(): boolean {
    return !this.#isInside && this.#entries.length === 0 && this.#confirmed >= this.#given;
  }

  #pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    const { stream } = this.#client.connection;
    if (isPaused) stream.pause();
    else stream.resume();
    // While it was paused nothing could be heard.
    this.#heardMs = this.#options.clock.monotonic();
  }

  /** Shows the server that we live, and asks it for the same. */
  async #report(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#closing.signal.aborted) {
      this.#send(true);
      await clock.sleep(statusMs, this.#closing.signal).catch(() => undefined);
      if (this.#isPaused || clock.monotonic() - this.#heardMs < silenceMs) continue;
      this.handleError(new Error("Connection terminated: the server is silent"));
      void endClient(this.#client, clock);
    }
  }

  #send(asks: boolean): void {
    const { stream } = this.#client.connection;
    if (this.#failure !== undefined || !stream.writable) return;
    stream.write(statusMessage(this.#confirmed, this.#options.clock.now(), asks));
  }
}
