import { status as codes } from "@grpc/grpc-js";
import type { RawCall } from "./link.ts";

/**
 * How many streams of one connection are reset: `burst` at once, then `perSecond`. HTTP/2 servers close a connection
 * with too many resets ('rapid reset', CVE-2023-44487), and with it every other call on it: Node's take 1,000 and then
 * 33 a second (`streamResetBurst`, `streamResetRate`).
 */
const limits = { burst: 250, perSecond: 20 } as const;

/** How long a call whose deadline has passed is left alone: its server ends it by itself, unless it can't. */
const lateGraceMs = 1_000;

/** The calls of a connection that nobody waits for any more, and the resets that it has left for them. */
export class Resets {
  #left: number = limits.burst;
  #paidMs = 0;
  /** Those that are still to be reset, and from when on. */
  readonly #waiting = new Map<RawCall, number>();

  /** Whether any call waits for its reset. */
  get isBusy(): boolean {
    return this.#waiting.size > 0;
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
    this.#left = Math.min(limits.burst, this.#left + ((nowMs - this.#paidMs) / 1000) * limits.perSecond);
    this.#paidMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

function reset(raw: RawCall): void {
  raw.cancelWithStatus(codes.CANCELLED, "the caller gave up");
}
