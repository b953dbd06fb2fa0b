import { type Clock, type Log, silentLog, systemClock, WeftError } from "@weft/kit";
import { maxChanges, type SearchEngine } from "@weft/search";

/** What a pipeline needs of an engine. */
export type PipelineEngine = Pick<SearchEngine, "apply"> & Partial<Pick<SearchEngine, "bulkLoad">>;

/** How changes go into an index. */
export interface PipelineOptions {
  readonly engine: PipelineEngine;
  readonly index: string;
  /** A request is sent with so many changes. Default 500; at most 5,000, and no more than the buffer holds. */
  readonly flushDocuments?: number;
  /** Or with so many bytes. Default 4 MiB. A larger document goes alone. */
  readonly flushBytes?: number;
  /**
   * Or so long after the oldest change in it came, in milliseconds, however many came since. 0: as soon as a request may
   * be sent, and meanwhile changes gather. Default 500.
   */
  readonly flushMs?: number;
  /** Changes without a result, those under way included. Default 10,000. */
  readonly maxBufferedDocuments?: number;
  /** The same in bytes. Default 32 MiB. */
  readonly maxBufferedBytes?: number;
  /** Larger documents fail with `PAYLOAD_TOO_LARGE`, unsent. Default 16 MiB. */
  readonly maxDocumentBytes?: number;
  /** Most requests under way; how many of them there are, their times decide. Default 8. */
  readonly maxParallel?: number;
  /** Tries of a change that failed for a reason that may pass. Default 8: with the waits between them, about 15 s. */
  readonly attempts?: number;
  /**
   * From so many changes on the engine is told that a bulk load is under way, where it can be told; until the pipeline is
   * disposed. Default: it is not told.
   */
  readonly bulkLoadAfter?: number;
  /** How long disposing waits for what is under way, in milliseconds. Default 10,000. */
  readonly drainTimeoutMs?: number;
  /** Aborted: what is not under way fails with its reason, and nothing more is taken. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** In [0, 1), for the jitter of waits. Default `Math.random`. */
  readonly random?: () => number;
  readonly log?: Log;
}

export type FullOptions = Required<Omit<PipelineOptions, "signal">> & Pick<PipelineOptions, "signal">;

/** With defaults; `INVALID_ARGUMENT` for a number that can't be. */
export function withDefaults(options: PipelineOptions): FullOptions {
  const full = {
    flushDocuments: 500,
    flushBytes: 4 * 1024 * 1024,
    flushMs: 500,
    maxBufferedDocuments: 10_000,
    maxBufferedBytes: 32 * 1024 * 1024,
    maxDocumentBytes: 16 * 1024 * 1024,
    maxParallel: 8,
    attempts: 8,
    bulkLoadAfter: Infinity,
    drainTimeoutMs: 10_000,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    ...options,
  };
  for (const [name, value] of Object.entries(full)) {
    if (typeof value !== "number" || value >= (mayBeZero.has(name) ? 0 : 1)) continue;
    throw new WeftError("INVALID_ARGUMENT", `${name} of a pipeline is ${value}`);
  }
  const { flushDocuments, flushBytes, maxBufferedDocuments, maxBufferedBytes } = full;
  return {
    ...full,
    flushDocuments: Math.min(flushDocuments, maxChanges, maxBufferedDocuments),
    flushBytes: Math.min(flushBytes, maxBufferedBytes),
  };
}

const mayBeZero = new Set(["flushMs", "drainTimeoutMs", "bulkLoadAfter"]);
