import type { OnDecision } from "../decision.ts";
import { RetryBudget } from "../retry/budget.ts";
import { RollingShare } from "../rolling-share.ts";
import { Latencies } from "./latencies.ts";

/** Which reads are sent a second time before the first answer came: the section `hedging` of a policy. */
export interface HedgingOptions {
  /** `weft.user.v1.UserService/GetUser`, or `*` for every method that the contract calls free of side effects. Default none. */
  readonly methods?: readonly string[];
  /** Hedged when it takes longer than this share of the method's calls did. Default 0.95. */
  readonly quantile?: number;
  /** But never sooner than this, in milliseconds. Default 5. */
  readonly minimumDelayMs?: number;
  /** Hedges for each call of all methods together. Default 0.05. */
  readonly budgetShare?: number;
  /**
   * Most hedges a second. Default 20: each ends with a reset of the slower stream, and Node's HTTP/2 servers close a
   * connection with more than 33 a second for long (`streamResetRate`).
   */
  readonly maxPerSecond?: number;
}

/** The defaults of {@link HedgingOptions}. */
export const hedgingDefaults: Required<HedgingOptions> = Object.freeze({
  methods: Object.freeze([]),
  quantile: 0.95,
  minimumDelayMs: 5,
  budgetShare: 0.05,
  maxPerSecond: 20,
});

/** Window of the latencies in milliseconds, how many it takes to know the quantile, and how long one is believed. */
const known = { windowMs: 20_000, minimum: 50, quantileMs: 250 } as const;

/** Methods beyond this many are not hedged. */
const mostMethods = 1_000;

/** What {@link Hedges} are made of. */
export interface HedgesParts {
  /** Name of the service. */
  readonly target: string;
  readonly options?: HedgingOptions;
  readonly onDecision?: OnDecision;
}

interface Method {
  readonly latencies: Latencies;
  delayMs: number | undefined;
  readUntilMs: number;
}

/**
 * Hedged reads: a call that takes longer than nearly all do is made a second time elsewhere, and the first answer counts
 * (Dean and Barroso, 'The Tail at Scale', 2013). Times are monotonic milliseconds.
 *
 * - G1 Only methods that opted in and that are reads, and at most one hedge a call (the caller asks once).
 * - G2 The wait is the quantile of what the method took lately (at most 9 % too long), and none before 50 times are known.
 * - G3 In any stretch at most 1, plus `budgetShare` of the calls within it and in the ten seconds before; in a second at
 *   most `maxPerSecond`.
 * - G4 None while the target is in trouble.
 */
export class Hedges {
  readonly #parts: HedgesParts;
  readonly #methods = new Map<string, Method>();
  readonly #budget: RetryBudget;
  /** Of ten slots, the first of which may be about to be forgotten: a second and up to a ninth of one more. */
  #lastSecond = new RollingShare(10_000 / 9);
  #options: Required<HedgingOptions>;

  constructor(parts: HedgesParts) {
    this.#parts = parts;
    this.#options = { ...hedgingDefaults, ...parts.options };
    this.#budget = new RetryBudget(this.#budgetOptions());
  }

  /** From now on; what is left out goes back to its default. */
  configure(options: HedgingOptions): void {
    this.#options = { ...hedgingDefaults, ...options };
    this.#budget.configure(this.#budgetOptions());
    this.#methods.clear();
  }

  /** Whether calls of this method may be hedged at all. `isRead`: the contract calls it free of side effects. */
  hedges(method: string, isRead: boolean): boolean {
    const { methods } = this.#options;
    return methods.length > 0 && isRead && (methods.includes(method) || methods.includes("*"));
  }

  /** A call of a method that may be hedged begins: after how many milliseconds to ask `take`; undefined for never. */
  began(method: string, nowMs: number): number | undefined {
    this.#budget.deposit(nowMs);
    const entry = this.#method(method);
    if (entry === undefined) return undefined;
    if (nowMs >= entry.readUntilMs) {
      const { latencies } = entry;
      entry.delayMs = latencies.count(nowMs) < known.minimum ? undefined : this.#delay(latencies, nowMs);
      entry.readUntilMs = nowMs + known.quantileMs;
    }
    return entry.delayMs;
  }

  /**
   * A try ended, or was let go since the other one was faster: without the slow ones the quantile would sink until
   * everything is hedged.
   */
  ended(method: string, tookMs: number, nowMs: number): void {
    this.#method(method)?.latencies.add(nowMs, tookMs);
  }

  /** The wait is over: whether the second try is made now. `isCalm`: the breaker is closed and the target not overloaded. */
  take(method: string, { nowMs, isCalm }: { readonly nowMs: number; readonly isCalm: boolean }): boolean {
    if (!isCalm || this.#lastSecond.count(nowMs) >= this.#options.maxPerSecond) return false;
    if (!this.#budget.withdraw(nowMs)) return false;
    this.#lastSecond.add(nowMs, true);
    const { target, onDecision } = this.#parts;
    onDecision?.({ kind: "hedged", target, method, reason: "slow" });
    return true;
  }

  #delay(latencies: Latencies, nowMs: number): number {
    return Math.max(this.#options.minimumDelayMs, latencies.quantile(nowMs, this.#options.quantile));
  }

  #method(name: string): Method | undefined {
    let method = this.#methods.get(name);
    if (method === undefined && this.#methods.size < mostMethods) {
      method = { latencies: new Latencies(known.windowMs), delayMs: undefined, readUntilMs: 0 };
      this.#methods.set(name, method);
    }
    return method;
  }

  #budgetOptions() {
    return { share: this.#options.budgetShare, burst: 1, perSecond: 0 };
  }
}
