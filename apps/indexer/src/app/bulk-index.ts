import { type Clock, type Log, WeftError } from "@weft/kit";
import type { DocumentChange, IndexDefinition, SearchEngine } from "@weft/search";
import { openPipeline, type PipelineEngine } from "@weft/search-pipeline";
import { readDocument } from "../domain/bulk-document.ts";

/** One line of a bulk load. */
export interface BulkLine {
  /** In the caller's input, from 1. */
  readonly line: number;
  /** A JSON object in UTF-8. */
  readonly document: Uint8Array;
}

/** How a bulk load went. Each line is one of `indexed` and `failed`. */
export interface BulkResult {
  readonly indexed: number;
  readonly failed: number;
  /** The first {@link maxErrors}. */
  readonly errors: readonly BulkProblem[];
}

export interface BulkProblem {
  readonly line: number;
  readonly reason: string;
  readonly detail: string;
}

export interface BulkContext {
  readonly engine: Pick<SearchEngine, "getIndex"> & PipelineEngine;
  readonly clock: Clock;
  readonly log?: Log;
  readonly bulk: {
    /** Documents handed to the engine at once. */
    readonly batchSize: number;
    /** Tries of what failed for a reason that may pass. */
    readonly attempts: number;
  };
}

/** Most errors that are listed. */
export const maxErrors = 1000;
/** What is taken and not done yet: so many batches, and so many bytes. */
const maxBatches = 8;
const maxBytes = 16 * 1024 * 1024;
/** A load of so many documents is worth relaxing the settings of its index. */
const bulkLoadAfter = 5000;

/**
 * Puts lines into an index: they are taken no faster than the engine takes documents. A bad line is reported and the rest
 * goes in; a document that failed for a reason that may pass is tried again. `NOT_FOUND` when there is no such index. An
 * engine that fails for good ends the load.
 */
export async function bulkIndex(
  context: BulkContext,
  index: string,
  lines: AsyncIterable<readonly BulkLine[]>,
  signal: AbortSignal,
): Promise<BulkResult> {
  const { engine, clock, log, bulk } = context;
  const { definition } = await engine.getIndex(index);
  const broken = new AbortController();
  const ended = AbortSignal.any([signal, broken.signal]);
  const problems = new Problems();
  let indexed = 0;
  await using pipeline = openPipeline({
    engine: watched(engine, (error) => broken.abort(error)),
    index,
    flushDocuments: bulk.batchSize,
    maxBufferedDocuments: maxBatches * bulk.batchSize,
    maxBufferedBytes: maxBytes,
    attempts: bulk.attempts,
    bulkLoadAfter,
    signal: ended,
    clock,
    ...(log && { log }),
  });
  for await (const message of lines) {
    for (const { line, document } of message) {
      const change = readLine(definition, document);
      if (change instanceof WeftError) problems.add({ line, reason: change.reason, detail: change.message });
      else {
        await pipeline.add(change, (result) => {
          if (result.outcome === "failed") problems.add({ line, reason: result.reason, detail: result.detail });
          else indexed += 1;
        });
      }
    }
  }
  await pipeline.flush();
  if (ended.aborted) throw WeftError.from(ended.reason);
  return { indexed, failed: problems.count, errors: problems.first() };
}

function readLine(definition: IndexDefinition, document: Uint8Array): DocumentChange | WeftError {
  try {
    return readDocument(definition, document);
  } catch (error) {
    return WeftError.from(error);
  }
}

/** The engine, with word of a call that failed for good: a smaller one, or the same one later, would fail as well. */
function watched(engine: PipelineEngine, onBroken: (error: WeftError) => void): PipelineEngine {
  return {
    apply: async (index, changes) => {
      try {
        return await engine.apply(index, changes);
      } catch (error) {
        const weft = WeftError.from(error);
        if (!weft.retryable && weft.reason !== "PAYLOAD_TOO_LARGE") onBroken(weft);
        throw error;
      }
    },
    bulkLoad: async (index) => (await engine.bulkLoad?.(index)) ?? { [Symbol.asyncDispose]: async () => undefined },
  };
}

/** Counts problems and keeps the first by line, in whatever order they come. */
class Problems {
  #kept: BulkProblem[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(problem: BulkProblem): void {
    this.#count += 1;
    this.#kept.push(problem);
    if (this.#kept.length >= 2 * maxErrors) this.#kept = [...this.first()];
  }

  first(): readonly BulkProblem[] {
    return this.#kept.toSorted((a, b) => a.line - b.line).slice(0, maxErrors);
  }
}
