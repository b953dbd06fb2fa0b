/** Answers that a mean goes over, about: of one method, and of all. */
const span = 64;
const overallSpan = 512;

/** Answers that the share of slow ones is averaged over, about. */
const slowSpan = 512;

/** An answer counts as this many times the mean at most: a call that hangs says little of its method. */
const mostFactor = 4;

/** So many milliseconds more or less are the pauses of a process, and say nothing of an instance. */
export const noiseMs = 5;

/** So many times what is usual, and the noise on top, is slow; as soon as so many answers are known. */
const slowFactor = 2;
const enough = 8;

/** Methods that are told apart; the others count as one. A contract has a few dozen. */
const mostMethods = 256;

/** Nothing takes less, in milliseconds. */
const leastMs = 0.1;

/** Mean of what calls take: over all of the first ones, then moving. */
class Mean {
  ms = 0;
  count = 0;
  readonly #span: number;

  constructor(answers: number) {
    this.#span = answers;
  }

  add(tookMs: number): void {
    if (this.count < this.#span) this.count += 1;
    const bounded = this.count === 1 ? tookMs : Math.min(tookMs, mostFactor * Math.max(this.ms, leastMs));
    this.ms += (bounded - this.ms) / this.count;
  }
}

/** What calls of one method usually take, whoever answers. */
export class Usual {
  readonly #times: UsualTimes;
  readonly #mean = new Mean(span);

  constructor(times: UsualTimes) {
    this.#times = times;
  }

  /**
   * How many milliseconds one millisecond of this method is worth, so that a method that takes long makes nobody dear:
   * what a call of any method takes, over what one of this takes. 1 where there is one method only, 0 as long as none of
   * its calls was answered: then nobody knows how long they take.
   */
  get pace(): number {
    if (this.#mean.count === 0) return 0;
    return this.#times.isMixed ? this.#times.overallMs / Math.max(this.#mean.ms, leastMs) : 1;
  }

  /** The share of answers that are slow, of all methods and at all instances. */
  get slowShare(): number {
    return this.#times.slowShare;
  }

  /** Whether an answer took much longer than usual. False as long as too little is known. */
  isSlow(tookMs: number): boolean {
    return this.#mean.count >= enough && tookMs > slowFactor * this.#mean.ms + noiseMs;
  }

  /** An answer came after so many milliseconds. */
  add(tookMs: number): void {
    this.#mean.add(tookMs);
    this.#times.add(tookMs);
  }

  /** An answer was slow, or was not. Those that are slow together count once. */
  note(isSlow: boolean): void {
    this.#times.note(isSlow);
  }
}

/** What calls to one target usually take, by method. */
export class UsualTimes {
  readonly #methods = new Map<string, Usual>();
  readonly #others = new Usual(this);
  readonly #overall = new Mean(overallSpan);
  #slowShare = 0;

  /** Whether there is more than one method. */
  get isMixed(): boolean {
    return this.#methods.size > 1;
  }

  /** Mean of all calls, in milliseconds. */
  get overallMs(): number {
    return Math.max(this.#overall.ms, leastMs);
  }

  /** Share of answers that were slow, at whichever instance. */
  get slowShare(): number {
    return this.#slowShare;
  }

  of(method: string): Usual {
    let usual = this.#methods.get(method);
    if (usual !== undefined) return usual;
    if (this.#methods.size >= mostMethods) return this.#others;
    usual = new Usual(this);
    this.#methods.set(method, usual);
    return usual;
  }

  /** For {@link Usual} alone. */
  add(tookMs: number): void {
    this.#overall.add(tookMs);
  }

  /** Likewise. */
  note(isSlow: boolean): void {
    this.#slowShare += ((isSlow ? 1 : 0) - this.#slowShare) / slowSpan;
  }
}
