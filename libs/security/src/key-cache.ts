import { type Clock, WeftError } from "@weft/kit";
import { createLocalJWKSet, type JSONWebKeySet } from "jose";

/** Tokens with invented key ids must not turn into a request to the issuer each. */
const refreshIntervalMs = 5_000;

/** Finds the key of a token. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/** The issuer's key set, fetched by one caller at a time. */
export class KeyCache {
  readonly #fetch: () => Promise<JSONWebKeySet>;
  readonly #clock: Clock;
  #keys: KeySet | undefined;
  #fetching: Promise<KeySet> | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;

  constructor(fetch: () => Promise<JSONWebKeySet>, clock: Clock) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** The set as it is known. `UNAVAILABLE` when it was never had. */
  async get(): Promise<KeySet> {
    return this.#keys ?? this.#load();
  }

  /** A newer set, unless the last one was fetched a moment ago or none can be had now. */
  async refresh(): Promise<KeySet> {
    const recent = this.#clock.monotonic() - this.#fetchedAt < refreshIntervalMs;
    if (this.#keys !== undefined && recent && this.#fetching === undefined) return this.#keys;
    try {
      return await this.#load();
    } catch (error) {
      if (this.#keys !== undefined) return this.#keys;
      throw error;
    }
  }

  #load(): Promise<KeySet> {
    this.#fetching ??= this.#loadOnce();
    return this.#fetching;
  }

  async #loadOnce(): Promise<KeySet> {
    try {
      this.#fetchedAt = this.#clock.monotonic();
      this.#keys = createLocalJWKSet(await this.#fetch());
      return this.#keys;
    } catch (error) {
      throw new WeftError("UNAVAILABLE", "the keys that verify tokens can't be had", { cause: error });
    } finally {
      this.#fetching = undefined;
    }
  }
}
