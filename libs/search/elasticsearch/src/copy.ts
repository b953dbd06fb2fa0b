import { isWeftError, WeftError } from "@weft/kit";
import type { DocumentChange, Misfits } from "@weft/search";
import type { IndexEntry } from "./catalog.ts";
import type { Server } from "./server.ts";
import { closePointInTime, openPointInTime, pointInTime } from "./snapshots.ts";
import type { Stored } from "./stored.ts";
import { applyChanges, type WriteContext } from "./write.ts";

/** Documents read, and written, at a time. */
export const sliceSize = 200;
/** How often, and how many times, it is asked whether every copy of a shard has every write, in milliseconds. */
const settleMs = 100;
const maxLooks = 20;

interface Hit {
  readonly _version: number;
  readonly _source: Stored & { readonly id: string };
  readonly sort: readonly [number, number];
}

export interface CopyOptions {
  readonly from: IndexEntry;
  readonly to: IndexEntry;
  readonly misfits: Misfits;
  readonly signal: AbortSignal | undefined;
}

/**
 * Copies an index into another one in rounds, each of them what has been written since the round before. Elasticsearch
 * numbers the writes to a shard: a round goes up to the number below which all have been carried out, on every copy of the
 * shard, when it begins. Any copy may be the one that it reads.
 * Documents go with the versions that they have, tombstones too, so that what is copied twice, or late, changes nothing.
 */
export class Copier {
  readonly #context: WriteContext;
  readonly #options: CopyOptions;
  /** Number of the last write that was copied with all before it. */
  #upTo = -1;

  constructor(context: WriteContext, options: CopyOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** One round; how many documents it was. `onSlice` is told how many of a slice are no tombstones. */
  async round(onSlice: (documents: number) => Promise<void>): Promise<number> {
    const { from, signal } = this.#options;
    const { server } = this.#context;
    const { everywhere: upTo } = await checkpoints(server, from.target);
    const id = await openPointInTime(server, from.target, signal);
    let copied = 0;
    try {
      for (let after: Hit["sort"] | undefined; ;) {
        const hits = await this.#read(id, after);
        if (hits.length === 0) break;
        await this.#write(hits.map(({ change }) => change));
        copied += hits.length;
        after = hits.at(-1)?.sort;
        await onSlice(hits.filter(({ change }) => change.kind === "put").length);
      }
    } catch (error) {
      if (!isWeftError(error, "INVALID_PAGE_TOKEN")) throw error;
      throw new WeftError("UNAVAILABLE", "Elasticsearch no longer has the state that is copied", { cause: error });
    } finally {
      await closePointInTime(server, id);
    }
    this.#upTo = upTo;
    return copied;
  }

  /** Resolves when every copy of the shard has every write: for the last round, while nobody writes. */
  async settled(): Promise<void> {
    const { from, signal } = this.#options;
    const { server, clock } = this.#context;
    for (let look = 1; look <= maxLooks; look += 1) {
      const { everywhere, last } = await checkpoints(server, from.target);
      if (everywhere >= last) return;
      await clock.sleep(settleMs, signal);
    }
    throw new WeftError("UNAVAILABLE", `a replica of ${from.target} lacks writes`);
  }

  async #read(
    id: string,
    after: Hit["sort"] | undefined,
  ): Promise<readonly { readonly sort: Hit["sort"]; readonly change: DocumentChange }[]> {
    const body = {
      pit: pointInTime(id),
      query: { range: { _seq_no: { gt: this.#upTo } } },
      sort: [{ _seq_no: "asc" }],
      size: sliceSize,
      track_total_hits: false,
      version: true,
      ...(after === undefined ? {} : { search_after: after }),
    };
    const { hits } = await this.#search<{ readonly hits: { readonly hits: readonly Hit[] } }>(
      { ...body, _source: ["id", "live", "document"] },
      {},
    );
    const versions = hits.hits.every(({ _version }) => Number.isSafeInteger(_version))
      ? hits.hits.map(({ _version }) => BigInt(_version))
      : await this.#exactVersions(body);
    if (versions.length !== hits.hits.length) {
      throw new WeftError("UNAVAILABLE", "Elasticsearch gave other documents than before");
    }
    return hits.hits.map(({ sort, _source }, at) => ({ sort, change: changeOf(_source, versions[at]) }));
  }

  /** The versions of the same documents, as text: JSON.parse would round those over 2^53. */
  async #exactVersions(body: object): Promise<readonly bigint[]> {
    const text = await this.#search<string>(
      { ...body, _source: false },
      { format: "yaml", filter_path: "hits.hits._version" },
    );
    return [...text.matchAll(/_version: (\d+)/g)].map(([, digits]) => BigInt(digits ?? 0));
  }

  #search<Answer>(body: object, query: Readonly<Record<string, string>>): Promise<Answer> {
    const { signal } = this.#options;
    return this.#context.server.request<Answer>({
      method: "POST",
      path: "/_search",
      query: { allow_partial_search_results: false, ...query },
      body,
      kind: "read",
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #write(changes: readonly DocumentChange[]): Promise<void> {
    const { to, misfits } = this.#options;
    const results = await applyChanges(this.#context, to, changes);
    for (const [at, { id }] of changes.entries()) {
      const result = results[at];
      if (result?.outcome === "failed") misfits.add(id, result.detail);
      else misfits.delete(id);
    }
  }
}

function changeOf({ id, live, document = {} }: Hit["_source"], version = 0n): DocumentChange {
  return live === true ? { kind: "put", id, version, document } : { kind: "delete", id, version };
}

interface Shards {
  readonly indices: Readonly<
    Record<
      string,
      {
        readonly shards: Readonly<
          Record<
            string,
            readonly {
              readonly routing: { readonly primary: boolean };
              readonly seq_no: { readonly max_seq_no: number; readonly global_checkpoint: number };
            }[]
          >
        >;
      }
    >
  >;
}

interface Checkpoints {
  /** The number up to which every copy of the shard has all writes. */
  readonly everywhere: number;
  /** Of the last write. */
  readonly last: number;
}

/** Each shard has its own numbers, and our indexes have one. */
async function checkpoints(server: Server, index: string): Promise<Checkpoints> {
  const { indices } = await server.request<Shards>({
    method: "GET",
    path: `/${index}/_stats`,
    query: { level: "shards", filter_path: "indices.*.shards.*.seq_no,indices.*.shards.*.routing.primary" },
    kind: "read",
  });
  const shards = Object.values(indices[index]?.shards ?? {});
  if (shards.length > 1) {
    throw new WeftError(
      "FAILED_PRECONDITION",
      `${index} has several shards, which can't be copied while it is written`,
    );
  }
  const primary = shards[0]?.find(({ routing }) => routing.primary);
  if (primary === undefined) throw new WeftError("UNAVAILABLE", `${index} has no shard at the moment`);
  const { global_checkpoint: everywhere, max_seq_no: last } = primary.seq_no;
  return { everywhere, last };
}
