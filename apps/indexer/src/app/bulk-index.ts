import { backoffMs, type Clock, isJsonObject, type JsonValue, type Reason, reasons, WeftError } from "@weft/kit";
import type { ChangeResult, DocumentChange, IndexDefinition, SearchEngine } from "@weft/search";
import { refuseOwned } from "./indexes.ts";

/** One document of a load, as it came. */
export interface BulkLine {
  /** Comes back in errors. */
  readonly line: number;
  /** A JSON object in UTF-8. */
  readonly document: Uint8Array;
}

export interface BulkFailure {
  readonly line: number;
  readonly reason: Reason;
  readonly detail: string;
}

export interface BulkResult {
  readonly indexed: number;
  readonly failed: number;
  /** The first {@link maxErrors}. */
  readonly errors: readonly BulkFailure[];
}

const maxErrors = 1000;
/** Documents go to the engine in lots of this size at the most. */
const lot = { documents: 500, bytes: 4 * 1024 * 1024 };
/** Tries of a document that failed for a passing reason. */
const attempts = 4;

interface Entry {
  readonly line: number;
  readonly change: DocumentChange;
}

/**
 * Loads documents into an index. Each is accounted for: indexed, or failed with its line. Lots are applied one after
 * the other, so a sender is slowed to what the engine takes.
 */
export async function bulkIndex(
  context: { readonly engine: SearchEngine; readonly clock: Clock },
  index: string,
  batches: AsyncIterable<readonly BulkLine[]>,
): Promise<BulkResult> {
  refuseOwned(index);
  const { definition } = await context.engine.getIndex(index);
  const tally = new Tally();
  let entries: Entry[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const applied = entries;
    entries = [];
    bytes = 0;
    await applyLot(context, index, applied, tally);
  };
  for await (const batch of batches) {
    for (const { line, document } of batch) {
      const change = readLine(definition, document);
      if ("reason" in change) {
        tally.fail({ line, ...change });
        continue;
      }
      entries.push({ line, change });
      bytes += document.byteLength;
      if (entries.length >= lot.documents || bytes >= lot.bytes) await flush();
    }
  }
  await flush();
  return tally.result();
}

async function applyLot(
  { engine, clock }: { readonly engine: SearchEngine; readonly clock: Clock },
  index: string,
  entries: readonly Entry[],
  tally: Tally,
): Promise<void> {
  let left = entries;
  for (let attempt = 1; left.length > 0; attempt += 1) {
    const results = await tryApply(engine, index, left);
    const again: Entry[] = [];
    for (const [at, entry] of left.entries()) {
      const result = results[at] ?? missingResult;
      if (result.outcome !== "failed") tally.succeed();
      else if (reasons[result.reason].retryable && attempt < attempts) again.push(entry);
      else tally.fail({ line: entry.line, reason: result.reason, detail: result.detail });
    }
    left = again;
    if (left.length > 0) await clock.sleep(backoffMs(attempt));
  }
}

const missingResult: ChangeResult = { outcome: "failed", reason: "INTERNAL", detail: "the engine said nothing of it" };

/** A call that fails as a whole fails each of its documents, so that none is forgotten. */
async function tryApply(
  engine: SearchEngine,
  index: string,
  entries: readonly Entry[],
): Promise<readonly ChangeResult[]> {
  try {
    return await engine.apply(
      index,
      entries.map(({ change }) => change),
    );
  } catch (error) {
    const { reason, message } = WeftError.from(error);
    return entries.map(() => ({ outcome: "failed", reason, detail: message }));
  }
}

type Unreadable = Omit<BulkFailure, "line">;

function readLine({ idField }: IndexDefinition, bytes: Uint8Array): DocumentChange | Unreadable {
  let document: JsonValue;
  try {
    document = JSON.parse(utf8.decode(bytes)) as JsonValue;
  } catch {
    return { reason: "MALFORMED_JSON", detail: "the line is not JSON in UTF-8" };
  }
  if (!isJsonObject(document)) return { reason: "MALFORMED_JSON", detail: "the line is not a JSON object" };
  const id = document[idField];
  if (typeof id !== "string" || id === "") {
    return { reason: "INVALID_ARGUMENT", detail: `the document has no text in its field ${idField}, which names it` };
  }
  return { kind: "put", id, document };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

class Tally {
  #indexed = 0;
  #failed = 0;
  readonly #errors: BulkFailure[] = [];

  succeed(): void {
    this.#indexed += 1;
  }

  fail(failure: BulkFailure): void {
    this.#failed += 1;
    if (this.#errors.length < maxErrors) this.#errors.push(failure);
  }

  result(): BulkResult {
    // A retried document is told of after later ones.
    const errors = this.#errors.toSorted((a, b) => a.line - b.line);
    return { indexed: this.#indexed, failed: this.#failed, errors };
  }
}
