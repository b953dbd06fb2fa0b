import type { Clock } from "@weft/kit";
import type { LockRecord } from "./records.ts";

/** Names that are remembered at most; of more, the oldest are forgotten, and their locks watched anew. */
const maxNames = 1000;

interface Observation {
  readonly record: LockRecord;
  /** On this process's monotonic clock: when this version was first seen. */
  readonly sinceMs: number;
}

/**
 * Since when each record stands unchanged, by this process's clock alone: no two machines have to agree on the time. A
 * record that was not renewed for its TTL is a dead holder's, for that one has counted from earlier on
 * (as in Amazon's DynamoDB Lock Client, 2017).
 */
export class Observations {
  readonly #clock: Clock;
  readonly #seen = new Map<string, Observation>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How much longer a lock counts as held, in milliseconds; 0 or less when it may be taken. Call it after the read. */
  heldForMs(name: string, record: LockRecord | undefined): number {
    if (record === undefined) {
      this.#seen.delete(name);
      return 0;
    }
    const nowMs = this.#clock.monotonic();
    const before = this.#seen.get(name);
    if (before?.record.version === record.version && before.record.session === record.session) {
      return before.sinceMs + record.ttlMs - nowMs;
    }
    this.#seen.delete(name);
    this.#seen.set(name, { record, sinceMs: nowMs });
    if (this.#seen.size > maxNames) this.#seen.delete(this.#seen.keys().next().value ?? name);
    return record.ttlMs;
  }
}
