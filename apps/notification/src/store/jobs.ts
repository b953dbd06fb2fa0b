import { isWeftError } from "@weft/kit";
import type { StateOperation, StateStore } from "@weft/state";
import type { OuterChannel } from "../domain/preferences.ts";
import { decode, encode } from "./json.ts";
import { dueOf, keys } from "./keys.ts";

/** A delivery that is still to be made. */
export interface Job {
  readonly userId: string;
  readonly notificationId: string;
  readonly channel: OuterChannel;
  /** Tries that were begun. */
  readonly attempts: number;
}

/** A job and its place; whoever has the newest etag has the job. */
export interface JobEntry {
  readonly job: Job;
  readonly key: string;
  readonly etag: string;
}

/** The operation that puts a job into the queue. */
export function newJob(job: Job, due: number): StateOperation {
  return { kind: "set", key: keys.job(due, job.notificationId, job.channel), value: encode(job) };
}

/**
 * The queue of deliveries to be made, sorted by when they are due. A job is taken by moving it to a later time: one
 * replica wins, and should it die, the job comes due again by itself.
 */
export class Jobs {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Jobs that are due, the longest due first. */
  async due(now: number, limit: number): Promise<readonly JobEntry[]> {
    const entries = await this.#store.range({ prefix: keys.jobs, limit });
    return entries
      .filter((entry) => dueOf(entry.key) <= now)
      .map((entry) => ({ job: decode<Job>(entry), key: entry.key, etag: entry.etag }));
  }

  /** Moves a job to another time, changed; undefined when somebody else has taken it. */
  async move(entry: JobEntry, job: Job, due: number): Promise<JobEntry | undefined> {
    const moved = newJob(job, due);
    // A key can't be touched twice in a transaction.
    if (moved.key === entry.key) return this.move(entry, job, due + 1);
    try {
      await this.#store.transaction([{ kind: "delete", key: entry.key, etag: entry.etag }, moved]);
    } catch (error) {
      if (isWeftError(error, "ETAG_MISMATCH")) return undefined;
      throw error;
    }
    const stored = await this.#store.get(moved.key);
    return stored && { job, key: moved.key, etag: stored.etag };
  }

  /** Takes a job out of the queue, unless somebody else has taken it. */
  async remove(entry: JobEntry): Promise<void> {
    try {
      await this.#store.delete(entry.key, { etag: entry.etag });
    } catch (error) {
      if (!isWeftError(error, "ETAG_MISMATCH")) throw error;
    }
  }
}
