/** How much a table of keys keeps. */
export interface RecentKeysOptions {
  /** Keys that are kept at most; at least 2. */
  readonly maxKeys: number;
  /** A key that nobody asked for so long is forgotten, at the latest by a call after three times as long. In milliseconds. */
  readonly idleMs: number;
}

/**
 * Values of the keys that were asked for lately, in two generations: a key that is asked for moves to the younger one,
 * and at each turn the older one is forgotten as a whole. So no call costs more than two look-ups, and none walks the
 * table.
 *
 * Laws:
 * - `K1` A key is kept while it is asked for at least every `idleMs`, unless others push it out.
 * - `K2` Never more than `maxKeys` are kept.
 * - `K3` A key is pushed out only after at least half of `maxKeys` other keys were asked for since; `crowded` says that it may
 *   have happened within the last `idleMs`.
 */
export class RecentKeys<V> {
  readonly #half: number;
  #younger = new Map<string, V>();
  #older = new Map<string, V>();
  #turnedAt = Number.NEGATIVE_INFINITY;
  #crowdedUntil = Number.NEGATIVE_INFINITY;

  /** See {@link RecentKeysOptions}; another one holds from the next turn on. */
  idleMs: number;

  constructor({ maxKeys, idleMs }: RecentKeysOptions) {
    this.#half = Math.max(1, Math.floor(maxKeys / 2));
    this.idleMs = idleMs;
  }

  get size(): number {
    return this.#younger.size + this.#older.size;
  }

  get(key: string, nowMs: number): V | undefined {
    if (nowMs - this.#turnedAt >= this.idleMs) this.#age(nowMs);
    const value = this.#younger.get(key);
    if (value !== undefined) return value;
    const old = this.#older.get(key);
    if (old !== undefined) {
      this.#older.delete(key);
      this.set(key, old, nowMs);
    }
    return old;
  }

  /** For a key that `get` did not find. */
  set(key: string, value: V, nowMs: number): void {
    if (this.#younger.size >= this.#half) {
      if (this.#older.size > 0) this.#crowdedUntil = nowMs + this.idleMs;
      this.#turn(nowMs);
    }
    this.#younger.set(key, value);
  }

  delete(key: string): void {
    this.#younger.delete(key);
    this.#older.delete(key);
  }

  /** Whether keys may have been forgotten that were in use. */
  crowded(nowMs: number): boolean {
    return nowMs < this.#crowdedUntil;
  }

  /** Nothing of the older generation was asked for since the last turn; after two quiet spans nothing at all. */
  #age(nowMs: number): void {
    if (nowMs - this.#turnedAt >= 2 * this.idleMs) this.#younger = new Map();
    this.#turn(nowMs);
  }

  #turn(nowMs: number): void {
    this.#older = this.#younger;
    this.#younger = new Map();
    this.#turnedAt = nowMs;
  }
}
