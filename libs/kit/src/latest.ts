/**
 * A value on its way from a writer to one reader that may be slower: the reader gets the newest one and skips those in
 * between. Nothing piles up.
 */
export class Latest<T> {
  readonly #equal: (a: T, b: T) => boolean;
  #pending: { readonly value: T } | undefined;
  #given: { readonly value: T } | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  /** @param equal a value equal to the one that the reader had last is not given again; default: every value is given */
  constructor(equal: (a: T, b: T) => boolean = () => false) {
    this.#equal = equal;
  }

  /** Puts a value before the reader, in the place of one that was not read yet. Does nothing after `end`. */
  set(value: T): void {
    const same = this.#given !== undefined && this.#equal(this.#given.value, value);
    this.#pending = same ? undefined : { value };
    if (!same) this.#wake?.();
  }

  /** Ends the reader's iteration, an unread value included. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** For one reader. Ends without error when `signal` aborts. */
  async *values(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener("abort", onAbort);
    try {
      while (!this.#ended && !signal.aborted) {
        if (this.#pending === undefined) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          this.#wake = undefined;
          continue;
        }
        this.#given = this.#pending;
        this.#pending = undefined;
        yield this.#given.value;
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
