/** Something that wants to be called at a time. */
export interface Timed {
  /** Monotonic milliseconds; `Infinity` for never. Whoever makes it sooner says so with {@link Pulse.moved}. */
  readonly dueMs: number;
  onDue(nowMs: number): void;
}

/** What a {@link Pulse} is made of. */
export interface PulseParts {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /**
   * At each beat. `countedMs`: time since the last one, as far as this process was awake to see what came: after a stall
   * of its own it knows nothing of anybody's silence. Returns milliseconds until the next beat if no call runs; undefined
   * stops it until there is one.
   */
  readonly onBeat: (nowMs: number, countedMs: number) => number | undefined;
}

/** Milliseconds between beats while calls run. */
const beatMs = 100;

/**
 * The one timer of a transport. Deadlines, pauses and waits of all its calls are looked at in every beat, and only
 * those that fall before the next one get a timer of their own: most calls have ended long before.
 */
export class Pulse {
  readonly #parts: PulseParts;
  readonly #members = new Set<Timed>();
  #beat: NodeJS.Timeout | undefined;
  #nextBeatMs = 0;
  #lastBeatMs = 0;
  #isFast = false;
  #wasUsed = false;
  #exact: NodeJS.Timeout | undefined;
  #exactMs = Number.POSITIVE_INFINITY;

  constructor(parts: PulseParts) {
    this.#parts = parts;
  }

  add(timed: Timed): void {
    this.#members.add(timed);
    this.#wasUsed = true;
    if (!this.#isFast) this.hurry();
    this.moved(timed);
  }

  delete(timed: Timed): void {
    this.#members.delete(timed);
  }

  /** The due time of a member has changed. */
  moved({ dueMs }: Timed): void {
    if (dueMs >= this.#nextBeatMs || dueMs >= this.#exactMs) return;
    clearTimeout(this.#exact);
    this.#exactMs = dueMs;
    this.#exact = setTimeout(
      () => {
        this.#exactMs = Number.POSITIVE_INFINITY;
        this.#sweep(this.#parts.now());
      },
      Math.max(0, dueMs - this.#parts.now()),
    );
  }

  /** The next beat comes soon. */
  hurry(): void {
    if (!this.#isFast) this.#schedule(beatMs, this.#parts.now());
  }

  #schedule(delayMs: number | undefined, nowMs: number): void {
    clearTimeout(this.#beat);
    const wasStill = this.#beat === undefined;
    this.#isFast = delayMs === beatMs;
    this.#beat = undefined;
    this.#nextBeatMs = nowMs + (delayMs ?? Number.POSITIVE_INFINITY);
    if (delayMs === undefined) return;
    if (wasStill) this.#lastBeatMs = nowMs;
    this.#beat = setTimeout(() => this.#onBeat(), delayMs);
    // A transport without calls keeps no process alive.
    if (!this.#isFast) this.#beat.unref();
  }

  #onBeat(): void {
    const nowMs = this.#parts.now();
    const countedMs = Math.min(nowMs - this.#lastBeatMs, beatMs * 1.5);
    this.#lastBeatMs = nowMs;
    const restMs = this.#parts.onBeat(nowMs, countedMs);
    const isUsed = this.#wasUsed || this.#members.size > 0;
    this.#wasUsed = false;
    this.#schedule(isUsed ? beatMs : restMs, nowMs);
    this.#sweep(nowMs);
  }

  #sweep(nowMs: number): void {
    let next: Timed | undefined;
    for (const timed of this.#members) {
      if (timed.dueMs <= nowMs) timed.onDue(nowMs);
      else if (next === undefined || timed.dueMs < next.dueMs) next = timed;
    }
    if (next !== undefined) this.moved(next);
  }
}
