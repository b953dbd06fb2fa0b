import { EventEmitter } from "node:events";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { isIPv6 } from "node:net";
import {
  backoffMs,
  type Clock,
  type JsonValue,
  type Log,
  parseServerUrl,
  type Secret,
  type ServerUrl,
  silentLog,
  systemClock,
  WeftError,
  withTimeout,
} from "@weft/kit";
import { toWeftError } from "./errors.ts";
import { openClient, type Requests, responseOf } from "./vendor.ts";

export interface ConsulOptions {
  /** `consul://[:token@]host[:port][?namespace=weft&tls=true]`: the machine's own agent; port 8500 by default. */
  readonly url: Secret;
  /** Further parameters of the URL that the adapter knows; `dc`, of all requests, is one for this client itself. */
  readonly parameters?: readonly string[];
  /** A request that succeeds if Consul is well and the token may do what the adapter needs. */
  readonly probe: (consul: Consul) => Promise<unknown>;
  /** Default: silent. */
  readonly log?: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** How long to wait for a Consul that is not there yet, in milliseconds. Default 10,000. */
  readonly openTimeoutMs?: number;
}

export interface ConsulRequest {
  /** Default GET. */
  readonly method?: "GET" | "PUT";
  /** What follows `/v1/`, part by part; they are percent-encoded here. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: JsonValue;
  /** Statuses that are answers like those from 200 to 299. Any other is an error. */
  readonly accept?: readonly number[];
  /** Makes it a blocking query: it is answered when the index has passed this one, or after the wait. */
  readonly blocking?: Blocking | undefined;
  /** In milliseconds. Default 5,000, or 3,000 for a blocking query. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Blocking {
  readonly index: string;
  /** In milliseconds, at most {@link maxBlockMs}. */
  readonly waitMs: number;
}

export interface ConsulAnswer {
  readonly status: number;
  /** Decoded, if it was JSON. */
  readonly body: unknown;
  /** For the next blocking query. */
  readonly index: string | undefined;
  /** Whether something was left out because the token may not read it. Consul says so from 1.11 on, to known tokens. */
  readonly filtered: boolean;
}

const callTimeoutMs = 5000;
/**
 * The longest wait of a blocking query, in milliseconds. Short, because a connection that went dead in silence is noticed
 * no earlier than a wait later. What it costs an idle agent is a request every two seconds for each watch.
 */
export const maxBlockMs = 2000;
/** Of a blocking query: its wait, the 1/16 of it that Consul adds at most, and time for the way and a busy machine. */
const blockingTimeoutMs = 3000;
/** Of the pauses while Consul is waited for: 100 ms doubling to this, with full jitter. In milliseconds. */
const maxOpenPauseMs = 1000;
/** Connections for calls. Those beyond wait for a free one; watches have connections of their own. */
const maxCallSockets = 16;

/**
 * A client of one Consul agent. Resolves when `probe` has succeeded; `UNAVAILABLE` when it did not in time, and at once
 * what trying again can't mend: a malformed URL (`INVALID_CONFIGURATION`), a token that is unknown
 * (`INVALID_CONFIGURATION`) or may not (`PERMISSION_DENIED`).
 */
export async function openConsul(options: ConsulOptions): Promise<Consul> {
  const { probe, openTimeoutMs = 10_000 } = options;
  const consul = new Consul(options);
  const { clock } = consul;
  const endMs = clock.monotonic() + openTimeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const timeoutMs = Math.max(0, endMs - clock.monotonic());
      await withTimeout(() => probe(consul), { timeoutMs, what: "opening Consul", clock });
      return consul;
    } catch (error) {
      const retryable = error instanceof WeftError && error.retryable;
      const pauseMs = backoffMs(attempt, { maxMs: maxOpenPauseMs });
      if (retryable && clock.monotonic() + pauseMs < endMs) {
        await clock.sleep(pauseMs);
        continue;
      }
      consul[Symbol.dispose]();
      if (!retryable) throw error;
      throw new WeftError("UNAVAILABLE", `Consul did not answer within ${openTimeoutMs} ms`, { cause: error });
    }
  }
}

/** An open connection to a Consul agent: every call has a deadline and fails with a `WeftError`. */
export class Consul implements Disposable {
  /** What everything of this mesh is named under. */
  readonly namespace: string;
  /** Those of the URL that the adapter knows. */
  readonly parameters: ServerUrl["parameters"];
  readonly clock: Clock;
  readonly log: Log;
  readonly #client: Requests;
  readonly #calls: HttpAgent;
  readonly #watches: HttpAgent;
  readonly #headers: Record<string, string>;
  readonly #dc: Record<string, string>;
  readonly #closed = new AbortController();

  constructor({ url, parameters = [], clock = systemClock, log = silentLog }: Omit<ConsulOptions, "probe">) {
    const parsed = parseServerUrl(url, { scheme: "consul", defaultPort: 8500, parameters });
    const { host, port, token } = checkUrl(parsed);
    const Agent = parsed.tls ? HttpsAgent : HttpAgent;
    this.namespace = parsed.namespace;
    this.parameters = parsed.parameters;
    this.clock = clock;
    this.log = log;
    // The client takes an IPv6 address with its brackets for a name: the agents, whose options go first, know better.
    const connection = { keepAlive: true, ...(isIPv6(host) && { host }) };
    this.#calls = new Agent({ ...connection, maxSockets: maxCallSockets });
    this.#watches = new Agent(connection);
    this.#client = openClient({
      host: isIPv6(host) ? `[${host}]` : host,
      port,
      secure: parsed.tls,
      agent: this.#calls,
    });
    this.#headers = token === undefined ? {} : { "x-consul-token": token };
    const { dc } = parsed.parameters;
    this.#dc = dc === undefined ? {} : { dc };
  }

  async call(request: ConsulRequest): Promise<ConsulAnswer> {
    const { blocking } = request;
    const closed = this.#closed.signal;
    const signal = request.signal === undefined ? closed : AbortSignal.any([request.signal, closed]);
    const what = `Consul's ${request.path.slice(0, 3).join("/")}`;
    const timeoutMs = request.timeoutMs ?? (blocking === undefined ? callTimeoutMs : blockingTimeoutMs);
    try {
      return await withTimeout((ended) => this.#send(request, ended), { timeoutMs, what, signal, clock: this.clock });
    } catch (error) {
      throw toWeftError(error, what);
    }
  }

  /** Cuts off what is under way. */
  [Symbol.dispose](): void {
    this.#closed.abort(new WeftError("UNAVAILABLE", "the connection to Consul is closed"));
    this.#calls.destroy();
    this.#watches.destroy();
  }

  async #send({ method = "GET", path, query, body, accept, blocking }: ConsulRequest, signal: AbortSignal) {
    signal.throwIfAborted();
    // papi aborts a request whose context says 'cancel'.
    const ctx = new EventEmitter();
    signal.addEventListener("abort", () => ctx.emit("cancel"), { once: true });
    const wait = blocking && { index: blocking.index, wait: `${Math.max(1, Math.floor(blocking.waitMs))}ms` };
    const pending = this.#client._request({
      ...{ method, ctx, type: "json", headers: { ...this.#headers } },
      path: `/${path.map(encodeURIComponent).join("/")}`,
      query: { ...this.#dc, ...query, ...wait },
      ...(blocking !== undefined && { agent: this.#watches }),
      ...(body !== undefined && { body }),
    });
    const response = await pending.catch((error: unknown) => {
      const answer = responseOf(error);
      if (answer !== undefined && accept?.includes(answer.statusCode) === true) return answer;
      throw error;
    });
    return {
      status: response.statusCode,
      body: response.body,
      index: response.headers["x-consul-index"],
      filtered: response.headers["x-consul-results-filtered-by-acls"] === "true",
    };
  }
}

/** One agent, and a token or none. `INVALID_CONFIGURATION` for a URL that says more, without repeating it. */
function checkUrl({ hosts, user, password: token, path }: ServerUrl) {
  const [agent] = hosts;
  if (agent === undefined || hosts.length > 1) {
    throw new WeftError("INVALID_CONFIGURATION", "a consul:// URL names one host: the agent of this machine");
  }
  if (user !== undefined || path !== "") {
    throw new WeftError("INVALID_CONFIGURATION", "a consul:// URL has no user and no path; a token is written :TOKEN@");
  }
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new WeftError("INVALID_CONFIGURATION", "the token in the consul:// URL has characters that no token has");
  }
  return { ...agent, token };
}
