import { isWeftError, reasons, WeftError } from "@weft/kit";
import type { ChangeResult, DocumentChange } from "@weft/search";
import type { FullOptions } from "./options.ts";

/** A change that was taken and has no result yet. */
export interface Item {
  readonly change: DocumentChange;
  readonly onResult: (result: ChangeResult) => void;
  readonly bytes: number;
  /** Counts what was taken. */
  readonly number: number;
  /** When it is to be sent at the latest, on the monotonic clock. */
  dueAt: number;
  tries: number;
  isUnderWay: boolean;
}

/** How a request went. */
export interface Sent {
  /** Those that are done with. */
  readonly results: readonly (readonly [item: Item, result: ChangeResult])[];
  /** Those to be sent again, and how long the engine asked to be left alone, in milliseconds. */
  readonly again: readonly Item[];
  readonly retryAfterMs: number;
  /** Why an item is sent again, or would be if it had not been tried often enough. */
  readonly failure?: WeftError;
}

/**
 * Sends changes once; never rejects. A request that is refused for what is in it, or for its size, is sent in halves,
 * until only the document fails for which it was.
 */
export async function send(
  options: Pick<FullOptions, "engine" | "index" | "attempts">,
  batch: readonly Item[],
): Promise<Sent> {
  const { engine, index } = options;
  const changes = batch.map(({ change }) => change);
  try {
    const answers = await engine.apply(index, changes);
    return sort(options, batch, (at) => answers[at] ?? failed(new WeftError("INTERNAL", "the engine gave no result")));
  } catch (error) {
    if (isWeftError(error, "INVALID_ARGUMENT") && batch.length > 1) {
      const middle = Math.ceil(batch.length / 2);
      const first = await send(options, batch.slice(0, middle));
      return join(first, await send(options, batch.slice(middle)));
    }
    const sent = sort(options, batch, () => failed(error));
    return { ...sent, retryAfterMs: WeftError.from(error).retryAfterMs ?? 0 };
  }
}

function sort(
  { attempts }: Pick<FullOptions, "attempts">,
  batch: readonly Item[],
  answerTo: (at: number) => ChangeResult,
): Sent {
  const results: [Item, ChangeResult][] = [];
  const again: Item[] = [];
  let failure: WeftError | undefined;
  for (const [at, item] of batch.entries()) {
    item.tries += 1;
    const answer = answerTo(at);
    const mayPass = answer.outcome === "failed" && reasons[answer.reason].retryable;
    if (mayPass) failure ??= new WeftError(answer.reason, answer.detail);
    if (mayPass && item.tries < attempts) again.push(item);
    else results.push([item, answer]);
  }
  return { results, again, retryAfterMs: 0, ...(failure && { failure }) };
}

function join(a: Sent, b: Sent): Sent {
  const failure = a.failure ?? b.failure;
  return {
    results: [...a.results, ...b.results],
    again: [...a.again, ...b.again],
    retryAfterMs: Math.max(a.retryAfterMs, b.retryAfterMs),
    ...(failure && { failure }),
  };
}

/** The result of a change whose request failed. */
export function failed(error: unknown): ChangeResult {
  const { reason, message: detail } = WeftError.from(error);
  return { outcome: "failed", reason, detail };
}

/** In bytes, about: what the document is as JSON. */
export function sizeOf(change: DocumentChange): number {
  const document = change.kind === "put" ? Buffer.byteLength(JSON.stringify(change.document)) : 0;
  return document + change.id.length + 64;
}
