import type { Outcome } from "../balancing/endpoint.ts";
import type { BreakerOptions } from "./options.ts";
import { BreakerWindow } from "./window.ts";

/** All tries go through and are counted. */
export interface ClosedState {
  readonly kind: "closed";
  readonly window: BreakerWindow;
}

/** None does. Times are monotonic milliseconds. */
export interface OpenState {
  readonly kind: "open";
  /** How long it lasts is looked up when it is asked: a wait that was set too long can be taken back. */
  readonly sinceMs: number;
}

/** A few do, to see how it is now. */
export interface HalfOpenState {
  readonly kind: "half-open";
  /** When one was last let through. */
  sinceMs: number;
  probing: number;
  succeeded: number;
}

export type BreakerState = ClosedState | OpenState | HalfOpenState;

/** The state that let a try through: its outcome counts for that state alone. */
export type BreakerPass = ClosedState | HalfOpenState;

/** What a breaker is made of. */
export interface BreakerParts {
  /** Read whenever something is decided. */
  readonly options: () => Required<BreakerOptions>;
  /** Told of each change of state, at once. */
  readonly onChange: (state: BreakerState["kind"]) => void;
}

/** Somebody who waits for a half-open breaker to decide. */
export interface BreakerWaiter {
  /** Another try may be let through, or the breaker is open again: look again. */
  onBreaker(): void;
}

/**
 * Leaves a target's method alone for a while when it fails as a whole, so that callers fail fast and the target gets to
 * rest (Nygard, 'Release It!', §5.2). Each try asks to `enter` and, once let through, is told by `leave` exactly once.
 *
 * - K1 Closed, it lets everything through; open, nothing before `openMs` have passed.
 * - K2 It opens when at least `minimumCalls` tries ended within the window and `failureShare` of them failed, on the
 *   target as a whole: see {@link BreakerWindow.isFailing}. Never otherwise: what was turned down as too busy, or given
 *   up, counts as nothing.
 * - K3 Half open, at most `probes` tries are under way; `successes` that went well close it, one failure opens it again.
 * - K4 A try counts for the state that let it through: late answers change nothing.
 * - K5 It can't get stuck: probes of which nothing was heard for `openMs` make room for others, and count when they end.
 * - K6 Who waits while it is half open and full is told when a probe ends: those for whom there is room, first come
 *   first; all, when it closes or opens.
 */
export class Breaker {
  readonly #parts: BreakerParts;
  readonly #waiters = new Set<BreakerWaiter>();
  #state: BreakerState;

  constructor(parts: BreakerParts) {
    this.#parts = parts;
    this.#state = this.#closed();
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether it is half open, and enough probes are under way: what comes of them is known soon. */
  isProbing(nowMs: number): boolean {
    return this.#state.kind === "half-open" && this.isOpen(nowMs);
  }

  /** Whether `enter` would say no. */
  isOpen(nowMs: number): boolean {
    const state = this.#state;
    if (state.kind === "closed") return false;
    const { probes, openMs } = this.#parts.options();
    const isFull = state.kind === "open" || state.probing >= probes;
    return isFull && nowMs - state.sinceMs < openMs;
  }

  /** Milliseconds until it is worth asking again; 0 when it is now. */
  retryAfterMs(nowMs: number): number {
    const state = this.#state;
    if (state.kind === "closed" || !this.isOpen(nowMs)) return 0;
    return state.sinceMs + this.#parts.options().openMs - nowMs;
  }

  /** Lets a try through, or undefined. */
  enter(nowMs: number): BreakerPass | undefined {
    if (this.#state.kind === "closed") return this.#state;
    if (this.isOpen(nowMs)) return undefined;
    const state = this.#state;
    if (state.kind === "half-open") {
      // Those that are under way still count when they end: what takes longer than this waits could never close it.
      if (state.probing >= this.#parts.options().probes) state.probing = 0;
      state.probing += 1;
      state.sinceMs = nowMs;
      return state;
    }
    const next: HalfOpenState = { kind: "half-open", sinceMs: nowMs, probing: 1, succeeded: 0 };
    this.#become(next);
    return next;
  }

  /** A try that was let through ended. `instance`: who it was sent to. */
  leave(pass: BreakerPass, outcome: Outcome, { nowMs, instance }: { nowMs: number; instance: string }): void {
    if (pass !== this.#state) return;
    if (pass.kind === "half-open") pass.probing = Math.max(0, pass.probing - 1);
    if (outcome === "ok" || outcome === "failure") {
      if (pass.kind === "half-open") this.#probed(pass, outcome, nowMs);
      else this.#count(pass, outcome, { nowMs, instance });
    }
    this.#tell(nowMs);
  }

  /** Is told once, when there is something to look at; see K6. What follows from time alone is told by `retryAfterMs`. */
  wait(waiter: BreakerWaiter): void {
    this.#waiters.add(waiter);
  }

  /** Waits no longer. */
  unwait(waiter: BreakerWaiter): void {
    this.#waiters.delete(waiter);
  }

  /** Something changed for the better, a new instance for one: no need to wait any longer before looking. */
  wake(): void {
    if (this.#state.kind === "open") this.#state = { kind: "open", sinceMs: -Infinity };
  }

  /** Back to the beginning. */
  reset(): void {
    if (this.#state.kind === "closed") this.#state = this.#closed();
    else this.#become(this.#closed());
    this.#tell(0);
  }

  #tell(nowMs: number): void {
    if (this.#waiters.size === 0) return;
    // Who finds out that it has to wait on waits behind the others.
    for (const waiter of [...this.#waiters]) {
      if (this.isProbing(nowMs)) return;
      if (this.#waiters.delete(waiter)) waiter.onBreaker();
    }
  }

  #probed(state: HalfOpenState, outcome: "ok" | "failure", nowMs: number): void {
    if (outcome === "failure") return this.#open(nowMs);
    state.succeeded += 1;
    if (state.succeeded >= this.#parts.options().successes) this.#become(this.#closed());
  }

  #count({ window }: ClosedState, outcome: "ok" | "failure", at: { nowMs: number; instance: string }): void {
    const options = this.#parts.options();
    if (!options.enabled) return;
    window.add(at.nowMs, at.instance, outcome === "failure");
    if (outcome === "failure" && window.isFailing(at.nowMs, options)) this.#open(at.nowMs);
  }

  #closed(): ClosedState {
    return { kind: "closed", window: new BreakerWindow(this.#parts.options().windowMs) };
  }

  #open(nowMs: number): void {
    this.#become({ kind: "open", sinceMs: nowMs });
  }

  #become(state: BreakerState): void {
    const changed = state.kind !== this.#state.kind;
    this.#state = state;
    if (changed) this.#parts.onChange(state.kind);
  }
}
