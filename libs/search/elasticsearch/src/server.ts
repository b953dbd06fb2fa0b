import { Client, errors } from "@elastic/elasticsearch";
import { backoffMs, type Clock, isWeftError, type Log, type ServerUrl, WeftError, withTimeout } from "@weft/kit";
import { isPassing, readFailure, toWeftError, wasNotSent } from "./failures.ts";

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  /** Bytes are sent as the lines of JSON that they are, any other object as JSON. */
  readonly body?: object | Buffer;
  /**
   * `read`: may be sent again, and is given up as soon as the server is known to be away. `repeatable`: may be sent
   * again. `once`: not again when it may have been carried out.
   */
  readonly kind: "read" | "repeatable" | "once";
  /** With its retries, as long as the server is there; default: `requestTimeoutMs` of the server. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ServerOptions {
  readonly url: ServerUrl;
  /** Deadline of one request with its retries, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly log: Log;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Sockets to each node, and requests under way or waiting for one. */
const maxSockets = 32;
const maxCalls = 1000;
/** Of setting up a socket, and of the answer to a probe. */
const connectTimeoutMs = 1000;
/** After this much silence it is asked whether the server is there at all. */
const silenceMs = 500;
/** A server that is only slow may miss some probes. */
const missedProbes = 3;
/** A server that has been away so long has forgotten what it was asked, or will answer nobody. */
const lostMs = 4000;
const maxAttempts = 4;
const betweenAttempts = { initialMs: 50, maxMs: 1000 };
const betweenProbes = { initialMs: 100, maxMs: 1000 };

/**
 * Elasticsearch as this process sees it: keeps sockets open, sends requests within a deadline, repeats what was turned
 * away, and knows when nobody is there. While the server is away every call fails at once; probes notice its return.
 */
export class Server implements AsyncDisposable {
  readonly #options: ServerOptions;
  readonly #client: Client;
  readonly #closing = new AbortController();
  #calls = 0;
  /** Aborted, with the error that calls get, while the server is away. */
  #away = new AbortController();
  /** The same a while later: writes are given up, of which nobody knows then whether they were carried out. */
  #lost = new AbortController();
  #probing: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { hosts, tls, user, password, parameters } = options.url;
    const { apiKey } = parameters;
    const agent = { connections: maxSockets, connect: { timeout: connectTimeoutMs } };
    this.#client = new Client({
      nodes: hosts.map(({ host, port }) => {
        return `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
      }),
      ...(apiKey !== undefined
        ? { auth: { apiKey } }
        : user === undefined
          ? {}
          : { auth: { username: user, password: password ?? "" } }),
      // Retries of the client come without a pause; ours are below.
      maxRetries: 0,
      agent,
      // A document may have a field of any name; `__proto__` is but a name to JSON.parse.
      disablePrototypePoisoningProtection: true,
    });
  }

  /** The body of the answer. Rejects with WeftErrors only. */
  async request<Answer>(call: Call): Promise<Answer> {
    this.#away.signal.throwIfAborted();
    if (this.#calls >= maxCalls) {
      throw new WeftError("RESOURCE_EXHAUSTED", `more than ${maxCalls} requests to Elasticsearch are under way`);
    }
    this.#calls += 1;
    const answered = new AbortController();
    void this.#listen(answered.signal);
    try {
      return await withTimeout((signal) => this.#attempt<Answer>(call, signal), {
        timeoutMs: call.timeoutMs ?? this.#options.requestTimeoutMs,
        what: "the request to Elasticsearch",
        clock: this.#options.clock,
        signal: AbortSignal.any([
          this.#closing.signal,
          (call.kind === "read" ? this.#away : this.#lost).signal,
          ...(call.signal === undefined ? [] : [call.signal]),
        ]),
      });
    } catch (error) {
      const weft = toWeftError(error);
      if (weft.code === "UNAVAILABLE" || weft.code === "DEADLINE_EXCEEDED") this.#suspect();
      throw weft;
    } finally {
      this.#calls -= 1;
      answered.abort();
    }
  }

  /** Resolves when the server answers; rejects with what is wrong when it has not within `timeoutMs`. */
  async ready(timeoutMs: number): Promise<void> {
    const { clock, random } = this.#options;
    const end = clock.monotonic() + timeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#probe();
      } catch (error) {
        const weft = toWeftError(error);
        const waitMs = backoffMs(attempt, { ...betweenProbes, random });
        if (!weft.retryable) throw weft;
        if (clock.monotonic() + waitMs > end) {
          throw new WeftError("UNAVAILABLE", `no answer from Elasticsearch within ${timeoutMs} ms`, { cause: weft });
        }
        await clock.sleep(waitMs);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new WeftError("CANCELLED", "the search engine is closed"));
    await this.#probing;
    await this.#client.close();
  }

  async #attempt<Answer>(call: Call, signal: AbortSignal): Promise<Answer> {
    const { clock, random } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#send<Answer>(call, signal);
      } catch (error) {
        if (attempt === maxAttempts || signal.aborted || !mayRepeat(call, error)) throw error;
        await clock.sleep(backoffMs(attempt, { ...betweenAttempts, random }), signal);
      }
    }
  }

  async #send<Answer>({ method, path, query, body }: Call, signal: AbortSignal): Promise<Answer> {
    return this.#client.transport.request<Answer>(
      {
        method,
        path,
        ...(query === undefined ? {} : { querystring: { ...query } }),
        ...(Buffer.isBuffer(body) ? { bulkBody: body } : body === undefined ? {} : { body }),
      },
      { signal, maxRetries: 0 },
    );
  }

  async #probe(): Promise<void> {
    const { clock } = this.#options;
    const ask = (signal: AbortSignal): Promise<unknown> =>
      this.#send({ method: "GET", path: "/", kind: "read" }, signal);
    await withTimeout(ask, { timeoutMs: connectTimeoutMs, what: "the probe", signal: this.#closing.signal, clock });
  }

  /** Asks whether the server is there for as long as a call gets no answer. */
  async #listen(answered: AbortSignal): Promise<void> {
    while (!answered.aborted) {
      await this.#options.clock.sleep(silenceMs, answered).catch(() => undefined);
      if (!answered.aborted) this.#suspect();
    }
  }

  /** Finds out whether the server is there; while it is not, calls fail at once. */
  #suspect(): void {
    this.#probing ??= this.#watch().finally(() => (this.#probing = undefined));
  }

  async #watch(): Promise<void> {
    const { clock, log, random } = this.#options;
    let awaySince: number | undefined;
    for (let attempt = 1; !this.#closing.signal.aborted; attempt += 1) {
      try {
        await this.#probe();
        if (awaySince === undefined) return;
        [this.#away, this.#lost] = [new AbortController(), new AbortController()];
        log.info({}, "Elasticsearch is back");
        return;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        const slow = isWeftError(error, "DEADLINE_EXCEEDED") && attempt < missedProbes;
        if (slow) continue;
        if (awaySince === undefined) {
          awaySince = clock.monotonic();
          log.warn({ err: error }, "Elasticsearch is away");
          this.#away.abort(new WeftError("UNAVAILABLE", "Elasticsearch is away", { cause: toWeftError(error) }));
        } else if (clock.monotonic() - awaySince > lostMs) this.#lost.abort(this.#away.signal.reason);
      }
      await clock.sleep(backoffMs(attempt, { ...betweenProbes, random }), this.#closing.signal).catch(() => undefined);
    }
  }
}

function mayRepeat(call: Call, error: unknown): boolean {
  if (error instanceof errors.ResponseError) return isPassing(readFailure(error));
  const { code } = toWeftError(error);
  return code === "UNAVAILABLE" && (call.kind !== "once" || wasNotSent(error));
}
