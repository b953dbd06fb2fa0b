import { status as codes } from "@grpc/grpc-js";
import type { ResetAllowance } from "../wire/resets.ts";
import type { RawCall } from "./link.ts";

/**
 * How many streams of one connection are reset when its server does not say. HTTP/2 servers close a connection with too
 * many resets ('rapid reset', CVE-2023-44487), and with it every other call on it: Node's take 1,000 and then 33 a second
 * (`streamResetBurst`, `streamResetRate`).
 */
const unknown: ResetAllowance = { burst: 250, perSecond: 20 };

/** The part of what a server allows that is used. */
const usedShare = 0.5;

/** How long a call whose deadline has passed is left alone: its server ends it by itself, unless it can't. */
const lateGraceMs = 1_000;

/** The calls of a connection that nobody waits for any more, and the resets that it has left for them. */
export class Resets {
  #allowed = unknown;
  #left = unknown.burst;
  #paidMs = 0;
  /** Those that are still to be reset, and from when on. */
  readonly #waiting = new Map<RawCall, number>();

  /** Whether any call waits for its reset. */
  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  /** What the server of a new connection allows; undefined when it has not said. */
  allow(allowance: ResetAllowance | undefined): void {
    this.#allowed =
      allowance === undefined
        ? unknown
        : { burst: allowance.burst * usedShare, perSecond: allowance.perSecond * usedShare };
    this.#left = this.#allowed.burst;
  }

  /** Resets a call: now if there are resets left, else as soon as there are. `isLate`: its deadline has passed. */
  add(raw: RawCall, isLate: boolean, nowMs: number): void {
    if (!isLate && this.#waiting.size === 0 && this.#take(nowMs)) reset(raw);
    else this.#waiting.set(raw, isLate ? nowMs + lateGraceMs : nowMs);
  }

  /** It has ended by itself. */
  delete(raw: RawCall): void {
    if (this.#waiting.size > 0) this.#waiting.delete(raw);
  }

  /** Resets those whose turn it is. */
  beat(nowMs: number): void {
    for (const [raw, dueMs] of this.#waiting) {
      if (dueMs > nowMs) continue;
      if (!this.#take(nowMs)) return;
      this.#waiting.delete(raw);
      reset(raw);
    }
  }

  #take(nowMs: number): boolean {
    const { burst, perSecond } = this.#allowed;
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#paidMs) / 1000) * perSecond);
    this.#paidMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

function reset(raw: RawCall): void {
  raw.cancelWithStatus(codes.CANCELLED, "the caller gave up");
}
