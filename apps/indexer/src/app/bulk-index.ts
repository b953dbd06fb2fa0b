import { backoffMs, type Clock, reasons, WeftError } from "@weft/kit";
import type { ChangeResult, DocumentChange, IndexDefinition, SearchEngine } from "@weft/search";
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
  readonly engine: Pick<SearchEngine, "getIndex" | "apply">;
  readonly clock: Clock;
  readonly bulk: {
    /** Documents handed to the engine at once. */
    readonly batchSize: number;
    /** Tries of what failed for a reason that may pass. */
    readonly attempts: number;
  };
}

/** Most errors that are listed. */
export const maxErrors = 1000;
/** A batch ends with so many bytes of input, too: the engine takes 64 MiB. */
const maxBatchBytes = 4 * 1024 * 1024;

/**
 * Puts lines into an index, batch by batch: lines are taken no faster than the engine takes documents. A bad line is
 * reported and the rest goes in; a document that failed for a reason that may pass is tried again by itself.
 * `NOT_FOUND` when there is no such index.
 */
export async function bulkIndex(
  context: BulkContext,
  index: string,
  lines: AsyncIterable<readonly BulkLine[]>,
  signal: AbortSignal,
): Promise<BulkResult> {
  const { definition } = await context.engine.getIndex(index);
  const result = { indexed: 0, failed: 0, errors: [] as BulkProblem[] };
  for await (const batch of regroup(lines, context.bulk.batchSize)) {
    if (signal.aborted) throw WeftError.from(signal.reason);
    const problems = await indexBatch(context, definition, batch, signal);
    result.indexed += batch.length - problems.length;
    result.failed += problems.length;
    result.errors.push(...problems.slice(0, maxErrors - result.errors.length));
  }
  return result;
}

/** Batches of the engine's size out of those of the transport. */
async function* regroup(
  messages: AsyncIterable<readonly BulkLine[]>,
  size: number,
): AsyncIterable<readonly BulkLine[]> {
  let batch: BulkLine[] = [];
  let bytes = 0;
  for await (const lines of messages) {
    for (const line of lines) {
      batch.push(line);
      bytes += line.document.byteLength;
      if (batch.length < size && bytes < maxBatchBytes) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

/** The problems of a batch, by line. */
async function indexBatch(
  context: BulkContext,
  definition: IndexDefinition,
  batch: readonly BulkLine[],
  signal: AbortSignal,
): Promise<readonly BulkProblem[]> {
  const problems: BulkProblem[] = [];
  const changes: { readonly line: number; readonly change: DocumentChange }[] = [];
  for (const { line, document } of batch) {
    try {
      changes.push({ line, change: readDocument(definition, document) });
    } catch (error) {
      const { reason, message: detail } = WeftError.from(error);
      problems.push({ line, reason, detail });
    }
  }
  const all = changes.map(({ change }) => change);
  const results = await attempt(context.engine, definition.index, all);
  for (const [at, { line, change }] of changes.entries()) {
    let result = results[at];
    for (let tries = 1; mayPass(result) && tries < context.bulk.attempts; tries += 1) {
      await context.clock.sleep(backoffMs(tries), signal);
      [result] = await attempt(context.engine, definition.index, [change]);
    }
    if (result?.outcome === "failed") problems.push({ line, reason: result.reason, detail: result.detail });
  }
  return problems.toSorted((a, b) => a.line - b.line);
}

/** A whole call that failed for a reason that may pass is a failure of each of its changes. */
async function attempt(
  engine: BulkContext["engine"],
  index: string,
  changes: readonly DocumentChange[],
): Promise<readonly ChangeResult[]> {
  try {
    return await engine.apply(index, changes);
  } catch (error) {
    const { retryable, reason, message: detail } = WeftError.from(error);
    if (!retryable) throw error;
    return changes.map(() => ({ outcome: "failed", reason, detail }));
  }
}

function mayPass(result: ChangeResult | undefined): boolean {
  return result?.outcome === "failed" && reasons[result.reason].retryable;
}
