import type { Admission, EndpointFacts } from "@weft/resilience";
import type { Random } from "../engine/random.ts";
import type { Timeline } from "../engine/timeline.ts";
import { Link } from "../engine/network.ts";
import { method } from "./method.ts";

/** What an instance answers. `refused`: turned down before any work; `failed`: broke on the way. */
export type Answer = "ok" | "failed" | "refused";

/** A try of a call, as it arrives at an instance. */
export interface Request {
  /** The caller's time limit. */
  readonly deadlineMs: number;
  /** Whether the caller has given it up, which is known here. */
  isCancelled: boolean;
  readonly respond: (answer: Answer, retryAfterMs?: number) => void;
}

/** Who is taken by a server that may be full: that of `@weft/resilience`. */
export type Limiter = Pick<Admission, "tryCall" | "end" | "measure">;

/** Milliseconds after which a refused call may be tried again, half more or less: as the server says. */
const retryAfterMs = 250;

export interface InstanceOptions {
  readonly facts: EndpointFacts;
  /** Requests worked on at a time. */
  readonly workers: number;
  /** Requests that may wait for a worker; those beyond are refused. */
  readonly queue: number;
  /** Mean time of work on one request in milliseconds; times are log-normal. */
  readonly serviceMs: number;
  /** Standard deviation of the logarithm of the time of work. */
  readonly spread: number;
  /** How many times slower the first requests are than those of a warm process. */
  readonly coldFactor: number;
  /** Requests after which it is warm, but for a share of 1/e. */
  readonly warmAfter: number;
  /** @param isSaturated whether all workers are busy. Without a limiter the queue is the limit. */
  readonly newLimiter?: ((isSaturated: () => boolean) => Limiter) | undefined;
}

/** A request that was taken, and when. */
interface Taken {
  readonly request: Request;
  readonly cameMs: number;
}

/** An instance of the service: workers, a queue before them, and what can go wrong with it. */
export class Instance {
  readonly facts: EndpointFacts;
  readonly link = new Link();
  /** Requests answered with `ok`. */
  served = 0;
  /** Requests that it worked on. */
  worked = 0;
  /** Faults set these. */
  slowness = 1;
  failingShare = 0;
  /** Says in its health that it serves, as long as it answers. */
  isServing = true;
  readonly #options: InstanceOptions;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #limiter: Limiter | undefined;
  readonly #waiting: Taken[] = [];
  readonly #watchers = new Set<() => void>();
  #state: "running" | "frozen" | "down" = "running";
  #held: (() => void)[] = [];
  #busy = 0;

  constructor(options: InstanceOptions, timeline: Timeline, random: Random) {
    this.facts = options.facts;
    this.#options = options;
    this.#timeline = timeline;
    this.#random = random;
    this.#limiter = options.newLimiter?.(() => this.#busy >= options.workers);
  }

  get state(): "running" | "frozen" | "down" {
    return this.#state;
  }

  /** Requests here, worked on or waiting. */
  get load(): number {
    return this.#busy + this.#waiting.length;
  }

  /** Told when its health or state changes. */
  watch(changed: () => void): void {
    this.#watchers.add(changed);
  }

  unwatch(changed: () => void): void {
    this.#watchers.delete(changed);
  }

  setServing(isServing: boolean): void {
    this.isServing = isServing;
    this.#tell();
  }

  freeze(): void {
    this.#state = "frozen";
    this.#tell();
  }

  thaw(): void {
    if (this.#state !== "frozen") return;
    this.#state = "running";
    const held = this.#held;
    this.#held = [];
    for (const run of held) run();
    this.#tell();
  }

  /** The process dies: its host resets its connections, and nothing that it held is ever answered. */
  crash(): void {
    this.#state = "down";
    this.#held = [];
    this.#waiting.length = 0;
    this.#tell();
  }

  /** Runs it now, or when the process goes on; never if it is gone. */
  whenAwake(run: () => void): void {
    if (this.#state === "frozen") this.#held.push(run);
    else if (this.#state === "running") run();
  }

  /** A request has come. */
  accept(request: Request): void {
    if (this.#state !== "running") return this.whenAwake(() => this.accept(request));
    if (request.isCancelled) return;
    const { workers, queue } = this.#options;
    const nowMs = this.#timeline.nowMs;
    const taken = { request, cameMs: nowMs };
    if (this.#busy >= workers && this.#waiting.length >= queue) return request.respond("refused");
    if (this.#limiter?.tryCall("interactive", nowMs) === false) {
      return request.respond("refused", retryAfterMs * (0.5 + this.#random.next()));
    }
    if (this.#busy < workers) this.#work(taken);
    else this.#waiting.push(taken);
  }

  #work(taken: Taken): void {
    this.#busy += 1;
    const fails = this.#random.chance(this.failingShare);
    // What fails does so fast: a policy that looks at latency alone is drawn to it.
    const tookMs = fails ? this.#options.serviceMs / 20 : this.#workMs();
    this.#timeline.after(tookMs, () => this.whenAwake(() => this.#finish(taken, fails ? "failed" : "ok")));
  }

  #workMs(): number {
    const { serviceMs, spread, coldFactor, warmAfter } = this.#options;
    const cold = 1 + (coldFactor - 1) * Math.exp(-this.worked / warmAfter);
    this.worked += 1;
    return this.#random.logNormal(serviceMs * this.slowness * cold, spread);
  }

  #finish(taken: Taken, answer: Answer): void {
    this.#busy -= 1;
    this.#left(taken, true);
    if (answer === "ok") this.served += 1;
    taken.request.respond(answer);
    this.#next();
  }

  /** Whoever waits first and is still waited for. */
  #next(): void {
    while (this.#busy < this.#options.workers) {
      const taken = this.#waiting.shift();
      if (taken === undefined) return;
      const { isCancelled, deadlineMs } = taken.request;
      if (isCancelled || deadlineMs <= this.#timeline.nowMs) this.#left(taken, false);
      else this.#work(taken);
    }
  }

  #left({ cameMs }: Taken, isComplete: boolean): void {
    const nowMs = this.#timeline.nowMs;
    this.#limiter?.end("interactive");
    this.#limiter?.measure({ method, tookMs: nowMs - cameMs, isComplete }, nowMs);
  }

  #tell(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}
