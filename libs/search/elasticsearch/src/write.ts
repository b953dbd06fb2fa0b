import { setImmediate as nextTurn } from "node:timers/promises";
import { backoffMs, type Clock, type JsonObject, WeftError } from "@weft/kit";
import { changeFailure, type ChangeResult, type DocumentChange } from "@weft/search";
import type { IndexEntry } from "./catalog.ts";
import { type Failure, failureError, isPassing } from "./failures.ts";
import type { Server } from "./server.ts";
import { storedId, storing, tombstone, tombstoneUpdate } from "./stored.ts";

/** Bytes of one request, about. A larger document goes alone. */
const maxRequestBytes = 512 * 1024;
/** Changes that are worth a request of their own beside another. */
const laneSize = 50;
/** Requests of one `apply` at the same time: the threads of a small node. */
const maxLanes = 4;
/** Tries of an item that was turned away. */
const maxAttempts = 6;
const betweenAttempts = { initialMs: 100, maxMs: 2000 };
/** How long a request waits for a shard that is not there; below the deadline of requests. */
const shardTimeout = "5s";

export interface WriteContext {
  readonly server: Server;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Deadline of each request, in milliseconds. */
  readonly bulkTimeoutMs: number;
}

/** A change and where its result goes. */
interface Placed {
  readonly change: DocumentChange;
  /** In the list that was given. */
  readonly place: number;
}

/** A change on its way. */
interface Item extends Placed {
  /** Its lines of the request. Bytes, since text of all languages in one string would take twice the time to encode. */
  readonly lines: Buffer;
}

interface Answer {
  readonly items: readonly Readonly<
    Record<string, { readonly status: number; readonly error?: { readonly type: string; readonly reason?: string } }>
  >[];
}

/**
 * Applies changes (laws F2, F3). Changes of one document keep their order; others go side by side, so that the next
 * request is made while the server is at work on another. What is wrong with a document is the result of its change;
 * what is wrong with the server rejects, because the change may well be good; `results` then has those there are.
 */
export async function applyChanges(
  context: WriteContext,
  entry: IndexEntry,
  changes: readonly DocumentChange[],
  results: ChangeResult[] = [],
): Promise<readonly ChangeResult[]> {
  const lanes: Placed[][] = Array.from({ length: laneCount(changes.length) }, () => []);
  for (const [place, change] of changes.entries()) {
    const failure = changeFailure(entry.definition, change);
    if (failure === undefined) lanes[laneOf(change.id, lanes.length)]?.push({ change, place });
    else results[place] = failure;
  }
  const writer = new Writer(context, entry, results);
  const running = lanes.map(async (lane, at) => {
    // The requests of the lanes before go out first, and are worked on while this one's is made.
    for (let turn = 0; turn < at; turn += 1) await nextTurn();
    await writer.run(lane);
  });
  const ended = await Promise.allSettled(running);
  // None goes on behind the caller's back.
  for (const end of ended) if (end.status === "rejected") throw end.reason;
  return results;
}

function laneCount(changes: number): number {
  return Math.max(1, Math.min(maxLanes, Math.floor(changes / laneSize)));
}

/** The same for the same id. */
function laneOf(id: string, lanes: number): number {
  let hash = 0;
  for (let at = 0; at < id.length; at += 1) hash = (hash * 31 + id.charCodeAt(at)) | 0;
  return (hash >>> 0) % lanes;
}

/** One `apply`. */
class Writer {
  readonly #context: WriteContext;
  readonly #entry: IndexEntry;
  readonly #results: ChangeResult[];
  readonly #store: (id: string, document: JsonObject) => string;
  #failed = false;

  constructor(context: WriteContext, entry: IndexEntry, results: ChangeResult[]) {
    this.#context = context;
    this.#entry = entry;
    this.#results = results;
    this.#store = storing(entry.definition);
  }

  /** Sends changes, one request after the other, until each has its result or a request of any lane has failed. */
  async run(lane: readonly Placed[]): Promise<void> {
    try {
      for (const request of this.#requests(lane)) {
        if (this.#failed) return;
        await this.#send(request);
      }
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** What is sent together; made when it is asked for. */
  *#requests(lane: readonly Placed[]): Iterable<readonly Item[]> {
    let request: Item[] = [];
    let bytes = 0;
    for (const { change, place } of lane) {
      const lines = Buffer.from(this.#linesOf(change));
      if (request.length > 0 && bytes + lines.length > maxRequestBytes) {
        yield request;
        [request, bytes] = [[], 0];
      }
      request.push({ change, place, lines });
      bytes += lines.length;
    }
    if (request.length > 0) yield request;
  }

  #linesOf(change: DocumentChange): string {
    const id = JSON.stringify(storedId(change.id));
    if (change.version === undefined) {
      // Elasticsearch's own numbering goes on from the stored version, whoever gave that.
      if (change.kind === "put") return `{"index":{"_id":${id}}}\n${this.#store(change.id, change.document)}\n`;
      // Without a version there is nothing to remember of a document that never was: an update makes none.
      return `{"update":{"_id":${id},"retry_on_conflict":10}}\n${tombstoneUpdate}\n`;
    }
    // Elasticsearch forgets the version of what it deletes after a minute: a tombstone keeps it.
    const source = change.kind === "put" ? this.#store(change.id, change.document) : tombstone(change.id);
    return `{"index":{"_id":${id},"version":${change.version},"version_type":"external"}}\n${source}\n`;
  }

  /** Sends items until each has its result. */
  async #send(items: readonly Item[]): Promise<void> {
    const { clock, random } = this.#context;
    let left = items;
    for (let attempt = 1; left.length > 0; attempt += 1) {
      const answers = await this.#request(left);
      const taken = new Map<Item, ChangeResult>();
      const again: Item[] = [];
      let passing: Failure | undefined;
      let lasting: Failure | undefined;
      for (const [at, item] of left.entries()) {
        const outcome = outcomeOf(item, Object.values(answers[at] ?? {})[0]);
        if ("result" in outcome) taken.set(item, outcome.result);
        else {
          again.push(item);
          if (isPassing(outcome.failure) || isConflict(outcome.failure)) passing ??= outcome.failure;
          else lasting ??= outcome.failure;
        }
      }
      left = inOrder(left, again);
      // What goes again has no result yet: when it can't, the caller is to know that it has to.
      for (const item of left) taken.delete(item);
      for (const [{ place }, result] of taken) this.#results[place] = result;
      const failure = lasting ?? passing;
      if (failure === undefined) continue;
      if (lasting !== undefined || attempt === maxAttempts) throw failureError(failure);
      await clock.sleep(backoffMs(attempt, { ...betweenAttempts, random }));
    }
  }

  async #request(items: readonly Item[]): Promise<Answer["items"]> {
    const answer = await this.#context.server.request<Answer>({
      method: "POST",
      path: `/${this.#entry.target}/_bulk`,
      query: {
        timeout: shardTimeout,
        filter_path: "items.*.status,items.*.error.type,items.*.error.reason",
      },
      body: Buffer.concat(items.map(({ lines }) => lines)),
      // Sent again, a change with a version finds itself; one without would undo what came between.
      kind: items.every(({ change }) => change.version !== undefined) ? "repeatable" : "once",
      timeoutMs: this.#context.bulkTimeoutMs,
    });
    if (answer.items.length === items.length) return answer.items;
    throw new WeftError("UNAVAILABLE", "Elasticsearch answered for other changes than it was sent");
  }
}

type Outcome = { readonly result: ChangeResult } | { readonly failure: Failure };

function outcomeOf({ change }: Item, answer: Answer["items"][number][string] | undefined): Outcome {
  const status = answer?.status ?? 500;
  if (status < 300) return { result: { outcome: "applied" } };
  const failure = { status, type: answer?.error?.type ?? "no explanation", detail: answer?.error?.reason ?? "" };
  if (isConflict(failure) && change.version !== undefined) return { result: { outcome: "superseded" } };
  if (failure.type === "document_missing_exception") return { result: { outcome: "applied" } };
  if (status !== 400) return { failure };
  // The detail may quote the document, which is the caller's own.
  return { result: { outcome: "failed", reason: "INVALID_ARGUMENT", detail: failure.detail.slice(0, 300) } };
}

function isConflict({ type }: Failure): boolean {
  return type === "version_conflict_engine_exception";
}

/** What is sent again: also what came after it for the same document and has been taken, since it was to be the last. */
function inOrder(sent: readonly Item[], again: readonly Item[]): readonly Item[] {
  if (again.length === 0) return again;
  const from = new Map<string, number>();
  for (const { change, place } of again) from.set(change.id, Math.min(place, from.get(change.id) ?? Infinity));
  return sent.filter(({ change, place }) => {
    if (again.some((item) => item.place === place)) return true;
    // A version says by itself which is the last.
    return change.version === undefined && place > (from.get(change.id) ?? Infinity);
  });
}
