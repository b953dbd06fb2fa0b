import type { IncomingMessage } from "node:http";
import { type Clock, type Log, systemClock, WeftError } from "@weft/kit";
import { SharedLimiter } from "@weft/limits";
import { type Draw, type OnDecision, type Standing, Tightening, type Verdict } from "@weft/resilience";
import type { TokenVerifier } from "@weft/security";
import type { CacheStore } from "@weft/state";
import type { Route } from "../routes/table.ts";
import { type Caller, Callers } from "./callers.ts";
import { importanceOf, nameOfClass } from "./classes.ts";
import { type LimitsConfig, quotasOf } from "./config.ts";
import type { NoLook } from "./doubts.ts";
import { policyHeader, standingHeader } from "./headers.ts";

/** What can be configured about the limits, also while they are in use. */
export interface LimitSettings {
  readonly limits: LimitsConfig;
  readonly trustedProxies: readonly string[];
}

export interface EdgeLimitsOptions {
  readonly settings: LimitSettings;
  /** Of the process, for decisions. */
  readonly service: string;
  /** Where replicas share what is left. */
  readonly store: CacheStore;
  /** Tells users apart; without one callers count by their address. */
  readonly tokens?: TokenVerifier | undefined;
  readonly onDecision?: OnDecision;
  /** Default: silent. */
  readonly log?: Log;
  readonly clock?: Clock;
}

/** A call that wants to be made. */
export interface Arrival {
  readonly request: IncomingMessage;
  readonly route: Route;
  readonly authorization: string | undefined;
  /** Headers of the answer, as name, value …: those of the limits are added. */
  readonly headers: string[];
}

/** For a limit that all callers draw from together. */
const everybody = "";

/**
 * The rate limits of the edge: of each caller and of all together by the contract's rate class, shared by all replicas of
 * the gateway; and of each target while it is in trouble.
 */
export class EdgeLimits {
  readonly #callers: Callers;
  readonly #limiter: SharedLimiter;
  readonly #targets = new Map<string, Tightening>();
  readonly #onDecision: OnDecision;
  readonly #clock: Clock;
  /** `RateLimit-Policy` by limit. */
  #policies = new Map<string, string>();

  constructor(options: EdgeLimitsOptions) {
    const { settings, service, store, tokens, onDecision = () => {}, log, clock = systemClock } = options;
    this.#onDecision = onDecision;
    this.#clock = clock;
    this.#callers = new Callers({ tokens, clock });
    this.#limiter = new SharedLimiter({ quotas: {}, store, service, onDecision, clock, ...(log && { log }) });
    this.configure(settings);
  }

  /** From now on these hold; what is not given stays. */
  configure({ limits, trustedProxies }: Partial<LimitSettings>): void {
    if (trustedProxies !== undefined) this.#callers.trust(trustedProxies);
    if (limits === undefined) return;
    const quotas = quotasOf(limits);
    this.#limiter.configure(quotas);
    this.#policies = new Map(Object.entries(quotas).map(([name, quota]) => [name, policyHeader(name, quota)]));
  }

  /**
   * Lets a call through or throws: `RATE_LIMITED` for what its caller must wait, `RESOURCE_EXHAUSTED` for a target in
   * trouble. Undefined when it could be decided at once.
   */
  admit(arrival: Arrival): undefined | Promise<void> {
    const caller = this.#callers.find(arrival.request, arrival.authorization);
    if (caller instanceof Promise) return caller.then((found) => this.#draw(arrival, found));
    if ("retryAfterMs" in caller) throw this.#doubt(arrival, caller);
    return this.#draw(arrival, caller);
  }

  /** An admitted call has ended, with this error or well. */
  ended({ binding }: Route, error?: WeftError): void {
    // The target did not get to see it.
    if (error?.reason === "BREAKER_OPEN" || error?.reason === "BULKHEAD_FULL") return;
    const status = error?.httpStatus ?? 200;
    this.#targetOf(binding.target).ended(status === 503 || status === 504 || status === 429, this.#nowMs());
  }

  #doubt({ route }: Arrival, { retryAfterMs }: NoLook): WeftError {
    const { contract, target } = route.binding;
    const limit = "false-tokens";
    this.#onDecision({ kind: "limited", target, method: contract.name, reason: limit });
    const message = "too many tokens that are not valid came from this address: this one was not looked at";
    return new WeftError("RATE_LIMITED", message, { retryAfterMs, metadata: { limit } });
  }

  #draw(arrival: Arrival, { scope, key }: Caller): undefined | Promise<void> {
    const { route, request } = arrival;
    const name = nameOfClass(route.binding.contract.policy.rateClass);
    const draws: Draw[] = [
      { limit: `${name}-${scope}`, key },
      { limit: `${name}-total`, key: everybody },
    ];
    // Whoever signs up often is not to guess more passwords from one address.
    if (name === "auth" && scope === "user")
      draws.push({ limit: "auth-address", key: this.#callers.addressOf(request) });
    const verdict = this.#limiter.take(draws);
    if (verdict instanceof Promise) return verdict.then((decided) => this.#conclude(arrival, decided));
    this.#conclude(arrival, verdict);
    return undefined;
  }

  #conclude({ route, headers }: Arrival, verdict: Verdict): void {
    if (verdict.standing !== undefined) this.#tell(headers, verdict.standing);
    const { contract, target } = route.binding;
    if (!verdict.admitted) {
      const { limit, quota } = verdict.standing;
      this.#onDecision({ kind: "limited", target, method: contract.name, reason: limit });
      const message = `no more than ${quota.count} such calls at once, and as many in ${quota.windowMs / 1000} s`;
      throw new WeftError("RATE_LIMITED", message, { retryAfterMs: verdict.retryAfterMs, metadata: { limit } });
    }
    const importance = importanceOf[nameOfClass(contract.policy.rateClass)];
    if (this.#targetOf(target).admits(importance, this.#nowMs())) return;
    this.#onDecision({ kind: "limited", target, method: contract.name, reason: "target in trouble" });
    throw new WeftError("RESOURCE_EXHAUSTED", `${target} is in trouble: fewer calls go there for a while`, {
      retryAfterMs: 1000,
    });
  }

  #tell(headers: string[], standing: Standing): void {
    const policy = this.#policies.get(standing.limit);
    if (policy !== undefined) headers.push("ratelimit-policy", policy, "ratelimit", standingHeader(standing));
  }

  #targetOf(target: string): Tightening {
    let known = this.#targets.get(target);
    if (known === undefined) {
      known = new Tightening({ target, onDecision: this.#onDecision });
      this.#targets.set(target, known);
    }
    return known;
  }

  #nowMs(): number {
    return Math.floor(this.#clock.monotonic());
  }
}
