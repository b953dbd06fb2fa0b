/**
 * How long an instance may be silent before it is asked whether it is there: `waitedForMs` when somebody waits for its
 * answer, `quietMs` when all that runs there are calls that may take their time. And how long it has for the answer: at
 * least `answerMs`, and `factor` times its usual latency, up to `mostMs`. In milliseconds.
 */
const limits = { waitedForMs: 300, quietMs: 5_000, answerMs: 500, factor: 3, mostMs: 2_000 } as const;

/** A question that is under way. */
export interface Question {
  close(): void;
}

/** What {@link Silence} is made of. */
export interface SilenceParts {
  /** Asks the instance; whatever it answers is told by {@link Silence.heard}. */
  readonly ask: () => Question;
  /** Usual latency of the instance, in milliseconds. */
  readonly latencyMs: () => number;
  /** Suspicion has begun or ended. */
  readonly onChange: () => void;
}

/**
 * Tells a frozen process and a dead link from a slow one: by a question that every living server answers at once. Ends
 * with the first word that comes, whatever it is.
 */
export class Silence {
  readonly #parts: SilenceParts;
  #waiting = 0;
  #silentMs = 0;
  #quietMs = 0;
  #question: Question | undefined;
  #unansweredMs = 0;
  #suspectMs: number | undefined;

  constructor(parts: SilenceParts) {
    this.#parts = parts;
  }

  /** For how long the instance has been suspect, in milliseconds that this process was awake; undefined when it is not. */
  get suspectMs(): number | undefined {
    return this.#suspectMs;
  }

  /** Somebody waits for an answer that is to come soon. */
  wait(): void {
    this.#waiting += 1;
  }

  /** And does not any more. */
  unwait(): void {
    this.#waiting -= 1;
  }

  /** Something came from the instance. */
  heard(): void {
    this.#silentMs = 0;
    this.#quietMs = 0;
    // Left to end by itself: to reset it would be one reset for each answer.
    this.#question = undefined;
    if (this.#suspectMs === undefined) return;
    this.#suspectMs = undefined;
    this.#parts.onChange();
  }

  /** The connection is gone, and with it the question. */
  lost(): void {
    this.forget();
    this.#silentMs = 0;
    this.#quietMs = 0;
    this.#suspectMs = undefined;
  }

  /** Waits for no answer. */
  forget(): void {
    const question = this.#question;
    this.#question = undefined;
    question?.close();
  }

  /**
   * `countedMs`: time that has passed since the last look, as far as this process was awake to hear anything. `isBusy`:
   * whether any call runs there, be it one that nobody expects an answer of.
   */
  beat(countedMs: number, isBusy: boolean): void {
    if (this.#waiting > 0) this.#silentMs += countedMs;
    this.#quietMs = isBusy ? this.#quietMs + countedMs : 0;
    if (this.#suspectMs !== undefined) {
      this.#suspectMs += countedMs;
    } else if (this.#question === undefined) {
      if (this.#silentMs < limits.waitedForMs && this.#quietMs < limits.quietMs) return;
      this.#unansweredMs = 0;
      this.#question = this.#parts.ask();
    } else {
      this.#unansweredMs += countedMs;
      if (this.#unansweredMs < this.#answerMs()) return;
      this.#suspectMs = 0;
      this.#parts.onChange();
    }
  }

  #answerMs(): number {
    return Math.min(limits.mostMs, Math.max(limits.answerMs, this.#parts.latencyMs() * limits.factor));
  }
}
