import { fallbackDefaults, type FallbackOptions } from "./options.ts";

/** What an entry costs beside its key and its bytes, roughly. */
const entryBytes = 200;

/** One answer may take this share of the memory. */
const largestShare = 1 / 8;

interface Entry {
  readonly answer: Uint8Array;
  readonly atMs: number;
}

/**
 * The last good answer to each question, as far as memory goes. Times are monotonic milliseconds.
 *
 * - F1 What is found is what was put last under that very key, at most `maxAgeMs` ago.
 * - F2 Never holds more than `maxBytes`, keys counted.
 * - F3 What was put or found longest ago goes first, and only when room is needed.
 */
export class LastAnswers {
  /** In the order in which they are given up. */
  readonly #entries = new Map<string, Entry>();
  #options: Required<FallbackOptions>;
  #bytes = 0;

  constructor(options: FallbackOptions = {}) {
    this.#options = { ...fallbackDefaults, ...options };
  }

  /** Memory in use, by an estimate. */
  get bytes(): number {
    return this.#bytes;
  }

  /** From now on; what is left out goes back to its default. */
  configure(options: FallbackOptions): void {
    this.#options = { ...fallbackDefaults, ...options };
    this.#shrinkTo(this.#options.enabled ? this.#options.maxBytes : 0);
  }

  /** Milliseconds since the answer was put; undefined when there is none that may be given. */
  ageMs(key: string, nowMs: number): number | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const ageMs = nowMs - entry.atMs;
    if (ageMs <= this.#options.maxAgeMs) return ageMs;
    this.#remove(key, entry);
    return undefined;
  }

  find(key: string, nowMs: number): Uint8Array | undefined {
    if (this.ageMs(key, nowMs) === undefined) return undefined;
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.answer;
  }

  /** Keeps an answer. One that is too large for the memory takes the place of nothing but its predecessor. */
  put(key: string, answer: Uint8Array, nowMs: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(key, before);
    const { enabled, maxBytes } = this.#options;
    const size = sizeOf(key, answer);
    if (!enabled || size > maxBytes * largestShare) return;
    this.#shrinkTo(maxBytes - size);
    this.#entries.set(key, { answer, atMs: nowMs });
    this.#bytes += size;
  }

  #shrinkTo(bytes: number): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= bytes) return;
      this.#remove(key, entry);
    }
  }

  #remove(key: string, { answer }: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= sizeOf(key, answer);
  }
}

function sizeOf(key: string, answer: Uint8Array): number {
  return key.length + answer.byteLength + entryBytes;
}
