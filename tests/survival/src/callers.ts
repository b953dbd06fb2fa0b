import { Agent, request, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Windows, type WindowsJson } from "./histogram.ts";
import type { Mix, Request } from "./mix.ts";
import type { CallClass, Tally } from "./verdict.ts";

export interface CallersOptions {
  /** `http://127.0.0.1:port` of each gateway. Callers begin at one, and go on to the next when it leaves. */
  readonly urls: readonly string[];
  readonly token: string;
  /** Callers, each with a connection of its own. */
  readonly count: number;
  readonly mix: Mix;
  /** Milliseconds from the beginning of the run. */
  readonly now: () => number;
}

/** What became of the calls. */
export interface CallsJson {
  readonly tallies: Readonly<Record<CallClass, Tally>>;
  /** Of all that may be retried and were not turned down. */
  readonly windows: WindowsJson;
  /** Sent again at another gateway, as the connection closed before anything came back. */
  readonly resent: number;
  /** How often each way to fail was met. */
  readonly failures: readonly (readonly [what: string, count: number])[];
  /** The first of them. */
  readonly examples: readonly Example[];
}

/** One failed call. */
export interface Example {
  readonly atMs: number;
  readonly tookMs: number;
  readonly what: string;
}

/** How often callers look whether a call is due, in milliseconds. */
const tickMs = 2;
/** Calls that are due and wait for a caller; more are not made. */
const mostDue = 20_000;
/** Beyond any deadline of the mesh. */
const timeoutMs = 30_000;
const mostExamples = 50;
const mostWays = 200;
/** Connections that are opened at the same time. */
const openingAtOnce = 50;
/**
 * A connection that closes so soon after a request was sent, in milliseconds, may have been closed before the request
 * came: HTTP has no way to tell, and clients send again what may be (RFC 9110, 9.2.2). Later, an answer was owed.
 */
const crossedMs = 1000;

/** Begins the outcome of a call that was turned down with `Retry-After`. */
const refused = "refused ";

/** Says who calls: the key for policies that want one. */
export const callerHeader = "x-caller";

/** A caller: its connection, and the gateway that it is to. */
interface Caller {
  readonly name: string;
  readonly agent: Agent;
  gateway: number;
}

/** How a call went: `ok`, `degraded` or how it failed; `unseen` when no gateway has begun with it. */
interface Ending {
  readonly outcome: string;
  readonly unseen: "never sent" | "crossed" | undefined;
}

/**
 * Calls at a rate, whatever becomes of those before: who waits for an answer holds up nobody else, as long as there is
 * another caller. Each takes its turn, so that all connections stay in use.
 */
export class Callers {
  readonly #options: CallersOptions;
  readonly #callers: readonly Caller[];
  readonly #gateways: readonly { readonly host: string; readonly port: string }[];
  readonly #tallies = { read: tally(), write: tally(), once: tally() };
  readonly #windows = new Windows();
  #resent = 0;
  readonly #failures = new Map<string, number>();
  readonly #examples: Example[] = [];
  readonly #free: Caller[];
  /** When calls were due that no caller was free for. */
  readonly #due: number[] = [];
  #running = 0;
  /** Calls before it are not counted. */
  #countsFrom = Number.POSITIVE_INFINITY;
  #perMs = 0;
  #dueUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CallersOptions) {
    this.#options = options;
    this.#gateways = options.urls.map((url) => new URL(url)).map(({ hostname: host, port }) => ({ host, port }));
    this.#callers = Array.from({ length: options.count }, (_, at) => ({
      name: `caller-${at}`,
      agent: new Agent({ keepAlive: true, maxSockets: 1 }),
      gateway: at % options.urls.length,
    }));
    this.#free = [...this.#callers];
  }

  /** Opens every connection, by one call on each. */
  async open(): Promise<void> {
    const waiting = this.#callers.values();
    const some = async (): Promise<void> => {
      for (const caller of waiting) await this.#call(caller, this.#options.mix.next());
    };
    await Promise.all(Array.from({ length: openingAtOnce }, some));
  }

  /** From now on so many calls a second; 0 pauses. */
  pace(perSecond: number): void {
    clearInterval(this.#timer);
    this.#perMs = perSecond / 1000;
    this.#dueUntil = this.#options.now();
    if (perSecond > 0) this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** From now on calls count. */
  count(): void {
    this.#countsFrom = this.#options.now();
  }

  /** Lets every caller call without a pause, for so long; resolves when the last one has its answer. */
  async flood(forMs: number): Promise<void> {
    const end = this.#options.now() + forMs;
    const busy = async (caller: Caller): Promise<void> => {
      while (this.#options.now() < end) {
        const call = this.#options.mix.next();
        const startedMs = this.#options.now();
        const outcome = await this.#call(caller, call);
        this.#record(call, startedMs, this.#options.now() - startedMs, outcome);
      }
    };
    await Promise.all(this.#callers.map(busy));
  }

  /** How many calls a second go well when this many callers call without a pause. */
  async probe(callers: number, forMs: number): Promise<number> {
    const end = this.#options.now() + forMs;
    let answered = 0;
    const busy = async (caller: Caller): Promise<void> => {
      while (this.#options.now() < end) {
        if ((await this.#call(caller, this.#options.mix.next())) === "ok") answered += 1;
      }
    };
    await Promise.all(this.#callers.slice(0, callers).map(busy));
    return (answered * 1000) / forMs;
  }

  /** Begins no more, waits for what is under way, and tells what became of all. */
  async end(): Promise<CallsJson> {
    this.pace(0);
    while (this.#running > 0) await sleep(20);
    for (const { agent } of this.#callers) agent.destroy();
    return {
      tallies: this.#tallies,
      windows: this.#windows.toJSON(),
      resent: this.#resent,
      failures: [...this.#failures],
      examples: this.#examples,
    };
  }

  #tick(): void {
    const now = this.#options.now();
    const many = Math.floor((now - this.#dueUntil) * this.#perMs);
    if (many === 0) return;
    this.#dueUntil += many / this.#perMs;
    for (let at = 0; at < many; at += 1) {
      const caller = this.#free.shift();
      if (caller !== undefined) void this.#serve(caller, now);
      else if (this.#due.length < mostDue) this.#due.push(now);
      else this.#record(this.#options.mix.next(), now, 0, "never made: all callers wait");
    }
  }

  /** One call, and those that became due meanwhile. */
  async #serve(caller: Caller, dueMs: number): Promise<void> {
    this.#running += 1;
    for (let due: number | undefined = dueMs; due !== undefined; due = this.#due.shift()) {
      const call = this.#options.mix.next();
      const what = await this.#call(caller, call);
      this.#record(call, due, this.#options.now() - due, what);
    }
    this.#running -= 1;
    this.#free.push(caller);
  }

  #record({ callClass, method, path }: Request, atMs: number, tookMs: number, outcome: string): void {
    if (atMs < this.#countsFrom) return;
    const counts = this.#tallies[callClass];
    counts.calls += 1;
    const isRefused = outcome.startsWith(refused);
    if (isRefused) counts.refused += 1;
    // Who is turned down at once is not served fast.
    if (callClass !== "once" && !isRefused) this.#windows.add(atMs, tookMs);
    if (outcome === "degraded") counts.degraded += 1;
    if (outcome === "ok" || outcome === "degraded") return;
    counts.failed += 1;
    const what = `${callClass} ${method} ${routeOf(path)}: ${outcome}`;
    if (this.#failures.has(what) || this.#failures.size < mostWays) {
      this.#failures.set(what, (this.#failures.get(what) ?? 0) + 1);
    }
    if (callClass !== "once" && this.#examples.length < mostExamples) this.#examples.push({ atMs, tookMs, what });
  }

  /** `ok`, `degraded`, or how it failed; at another gateway when one is gone. */
  async #call(caller: Caller, call: Request): Promise<string> {
    for (let tries = 1; ; tries += 1) {
      const { outcome, unseen } = await this.#send(caller, call);
      const again = unseen === "never sent" || (unseen === "crossed" && call.callClass !== "once");
      if (!again || tries > this.#gateways.length) return outcome;
      if (unseen === "crossed") this.#resent += 1;
      caller.gateway = (caller.gateway + 1) % this.#gateways.length;
    }
  }

  #send({ name, agent, gateway }: Caller, { method, path, body, headers }: Request): Promise<Ending> {
    return new Promise((resolve) => {
      const startedAt = performance.now();
      const authorization = `Bearer ${this.#options.token}`;
      const content = body === undefined ? {} : { "content-type": "application/json" };
      const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
      const all = { authorization, [callerHeader]: name, ...content, ...length, ...headers };
      const answered = (outcome: string): void => resolve({ outcome, unseen: undefined });
      const outgoing = request({ ...this.#gateways[gateway], agent, method, path, headers: all }, (response) => {
        outcomeOf(response).then(answered, (error: unknown) => answered(`no whole answer: ${codeOf(error)}`));
      });
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`nothing for ${timeoutMs} ms`)));
      outgoing.on("error", (error) => {
        const code = codeOf(error);
        const isSoon = performance.now() - startedAt < crossedMs;
        const unseen = code === "ECONNREFUSED" ? "never sent" : isSoon ? "crossed" : undefined;
        resolve({ outcome: `no answer: ${code}`, unseen });
      });
      outgoing.end(body);
    });
  }
}

function tally(): { calls: number; failed: number; refused: number; degraded: number } {
  return { calls: 0, failed: 0, refused: 0, degraded: 0 };
}

async function outcomeOf(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  for await (const chunk of response) text += chunk;
  const { statusCode = 0 } = response;
  if (statusCode >= 200 && statusCode < 300) return text.includes(`"degraded":true`) ? "degraded" : "ok";
  const problem: unknown = JSON.parse(text === "" ? "{}" : text);
  const { reason = "", detail = "" } = problem as { readonly reason?: string; readonly detail?: string };
  const kind = response.headers["retry-after"] === undefined ? "" : refused;
  // Without its numbers: what differs from call to call would make every failure a kind of its own.
  return `${kind}${statusCode} ${reason} ${detail.replaceAll(/\d+(\.\d+)?/g, "#").split(",")[0]}`.trim();
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** The path without what differs from call to call. */
function routeOf(path: string): string {
  return (path.split("?")[0] ?? "").replace(/\/users\/[\w-]+/, "/users/{id}");
}
