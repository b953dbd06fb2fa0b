import type { CallEnd } from "./call.ts";

/** What became of every call. */
export class CallRecord {
  readonly #begunMs: number[] = [];
  readonly #endedMs: number[] = [];
  readonly #ends: CallEnd[] = [];
  /** Calls that were begun and have not ended. */
  open = 0;
  /** Calls that ended more than once: none, ever. */
  endedTwice = 0;

  /** A call begins. @returns what to call at its end */
  begin(nowMs: number): (end: CallEnd, endMs: number) => void {
    this.open += 1;
    let isOver = false;
    return (end, endMs) => {
      if (isOver) {
        this.endedTwice += 1;
        return;
      }
      isOver = true;
      this.open -= 1;
      this.#begunMs.push(nowMs);
      this.#endedMs.push(endMs);
      this.#ends.push(end);
    };
  }

  /** Calls that began in a span of time, each told to `visit` in the order in which they ended. */
  each(fromMs: number, untilMs: number, visit: (end: CallEnd, tookMs: number) => void): void {
    for (let index = 0; index < this.#ends.length; index += 1) {
      const begunMs = this.#begunMs[index] ?? 0;
      const end = this.#ends[index];
      if (begunMs >= fromMs && begunMs < untilMs && end !== undefined)
        visit(end, (this.#endedMs[index] ?? 0) - begunMs);
    }
  }

  /** The calls of a span, summed up. */
  summary(fromMs: number, untilMs: number): Summary {
    const took: number[] = [];
    const failed: Record<Exclude<CallEnd, "ok">, number> = { failed: 0, refused: 0, late: 0, nobody: 0, broken: 0 };
    let calls = 0;
    this.each(fromMs, untilMs, (end, tookMs) => {
      calls += 1;
      if (end === "ok") took.push(tookMs);
      else failed[end] += 1;
    });
    const sorted = Float64Array.from(took).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    const failedShare = calls === 0 ? 0 : 1 - sorted.length / calls;
    return { calls, ok: sorted.length, failed, failedShare, p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999) };
  }
}

/** Calls of a span of time. Latencies are those of calls that went well, in milliseconds. */
export interface Summary {
  readonly calls: number;
  readonly ok: number;
  readonly failed: Readonly<Record<Exclude<CallEnd, "ok">, number>>;
  readonly failedShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}
