const slots = 10;

/**
 * How many of the last while's events were of one kind. Counts in ten slots, so that what it forgets it forgets a tenth
 * of the window at a time; memory and time are constant. Times are monotonic milliseconds.
 */
export class RollingShare {
  readonly #slotMs: number;
  readonly #counts = new Array<number>(slots).fill(0);
  readonly #marked = new Array<number>(slots).fill(0);
  #slot = 0;
  #count = 0;
  #markedCount = 0;

  constructor(windowMs: number) {
    this.#slotMs = Math.max(1, windowMs / slots);
  }

  /** An event, of the kind or not. */
  add(nowMs: number, isMarked: boolean): void {
    this.#forget(nowMs);
    const at = this.#slot % slots;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#count += 1;
    if (!isMarked) return;
    this.#marked[at] = (this.#marked[at] ?? 0) + 1;
    this.#markedCount += 1;
  }

  /** Events within the window. */
  count(nowMs: number): number {
    this.#forget(nowMs);
    return this.#count;
  }

  /** How many of them are of the kind. */
  marked(nowMs: number): number {
    this.#forget(nowMs);
    return this.#markedCount;
  }

  #forget(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs);
    const gone = Math.min(slot - this.#slot, slots);
    for (let step = 1; step <= gone; step += 1) {
      const at = (this.#slot + step) % slots;
      this.#count -= this.#counts[at] ?? 0;
      this.#markedCount -= this.#marked[at] ?? 0;
      this.#counts[at] = 0;
      this.#marked[at] = 0;
    }
    if (slot > this.#slot) this.#slot = slot;
  }
}
