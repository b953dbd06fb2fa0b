import {
  type Clock,
  isWeftError,
  type JsonObject,
  type Log,
  orAborted,
  parseServerUrl,
  type Secret,
  silentLog,
  systemClock,
  WeftError,
} from "@weft/kit";
import { checkChanges } from "@weft/search";
import type {
  ChangeResult,
  DocumentChange,
  IndexDefinition,
  IndexInfo,
  ReindexOptions,
  SearchEngine,
  SearchPage,
  SearchQuery,
  SuggestQuery,
} from "@weft/search";
import { applyToLive } from "./apply.ts";
import { BulkLoads } from "./bulk-load.ts";
import { Catalog, type IndexEntry } from "./catalog.ts";
import { reindex } from "./reindex.ts";
import { Retirement } from "./retirement.ts";
import { beginScan, scan } from "./scan.ts";
import { readDocument, search } from "./search.ts";
import { Server } from "./server.ts";
import { Snapshots } from "./snapshots.ts";
import { suggest } from "./suggest.ts";
import { ensureTemplate } from "./template.ts";

/** Scans of a handle at the same time: each keeps a state of its index in Elasticsearch. */
const maxScans = 16;

/** Which Elasticsearch, and how long to wait for it. */
export interface ElasticsearchOptions {
  /**
   * `elasticsearch://[user:password@]host[:port][,…][?namespace=weft&tls=true&apiKey=…]`; the port is 9200 by default.
   * An API key is Elasticsearch's encoded form.
   */
  readonly url: Secret;
  /** How long to wait for the first answer, in milliseconds. Default 10,000. */
  readonly openTimeoutMs?: number;
  /** Deadline of one request with its retries, in milliseconds. Default 10,000. */
  readonly requestTimeoutMs?: number;
  /**
   * The same for each of the requests that an `apply` is split into, of half a MiB each, in milliseconds: a busy server
   * is waited for as long as it is there. Default 30,000.
   */
  readonly bulkTimeoutMs?: number;
  /** Default: says nothing. */
  readonly log?: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** In [0, 1), for the jitter of retries. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Search on Elasticsearch 8.18 or newer, without plugins. All of it is named after the namespace: the index template
 * `weft`, and for each index an alias `weft.packages`. Errors are those of the port, and of the server: `UNAVAILABLE`
 * at once while it is away, `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED` when it is overloaded or its disk full. Resolves
 * when the server answers, and rejects with `UNAVAILABLE` when it has not in time.
 */
export async function openElasticsearch(options: ElasticsearchOptions): Promise<SearchEngine> {
  const { openTimeoutMs = 10_000, requestTimeoutMs = 10_000, log = silentLog, clock = systemClock } = options;
  const { bulkTimeoutMs = 30_000, random = Math.random } = options;
  const url = parseServerUrl(options.url, { scheme: "elasticsearch", defaultPort: 9200, parameters: ["apiKey"] });
  await using stack = new AsyncDisposableStack();
  const server = stack.use(new Server({ url, requestTimeoutMs, log, clock, random }));
  await server.ready(openTimeoutMs);
  await ensureTemplate(server, url.namespace);
  const snapshots = stack.use(new Snapshots(server, clock));
  const catalog = new Catalog({ server, namespace: url.namespace, clock });
  const retirement = stack.use(new Retirement(server, clock));
  const loads = stack.use(new BulkLoads({ server, catalog, namespace: url.namespace, clock, random, log }));
  return new Elasticsearch({
    server,
    snapshots,
    catalog,
    retirement,
    loads,
    clock,
    random,
    bulkTimeoutMs,
    stack: stack.move(),
  });
}

interface Parts {
  readonly server: Server;
  readonly snapshots: Snapshots;
  readonly catalog: Catalog;
  readonly retirement: Retirement;
  readonly loads: BulkLoads;
  readonly clock: Clock;
  readonly random: () => number;
  readonly bulkTimeoutMs: number;
  readonly stack: AsyncDisposableStack;
}

class Elasticsearch implements SearchEngine {
  readonly #parts: Parts;
  #scans = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async createIndex(definition: IndexDefinition): Promise<IndexInfo> {
    return this.#parts.catalog.create(definition);
  }

  async getIndex(index: string): Promise<IndexInfo> {
    return this.#parts.catalog.info(index);
  }

  async listIndexes(): Promise<readonly IndexInfo[]> {
    return this.#parts.catalog.list();
  }

  async deleteIndex(index: string): Promise<void> {
    await this.#parts.catalog.delete(index);
  }

  async reindex(index: string, options: ReindexOptions = {}): Promise<IndexInfo> {
    const { live, info } = await reindex(this.#parts, index, options);
    this.#parts.retirement.begin(live);
    return info;
  }

  async apply(index: string, changes: readonly DocumentChange[]): Promise<readonly ChangeResult[]> {
    checkChanges(changes);
    return applyToLive(this.#parts, index, changes);
  }

  async bulkLoad(index: string): Promise<AsyncDisposable> {
    return this.#parts.loads.begin(index);
  }

  async getDocument(index: string, id: string): Promise<JsonObject> {
    const document = await this.#with(index, ({ alias }) => readDocument(this.#parts.server, alias, id));
    if (document === undefined) throw new WeftError("NOT_FOUND", `${index} has no such document`, { metadata: { id } });
    return document;
  }

  async search(index: string, query: SearchQuery, signal?: AbortSignal): Promise<SearchPage> {
    const { server, snapshots } = this.#parts;
    return this.#with(index, (entry) => search(server, snapshots, entry, { ...query, signal }), signal);
  }

  async suggest(
    index: string,
    query: SuggestQuery,
    signal?: AbortSignal,
  ): Promise<readonly { readonly text: string; readonly id: string }[]> {
    const { server, snapshots } = this.#parts;
    return this.#with(index, (entry) => suggest(server, snapshots, entry, { ...query, signal }), signal);
  }

  async *scan(
    index: string,
    query: Pick<SearchQuery, "text" | "filter">,
    signal: AbortSignal,
  ): AsyncIterable<JsonObject> {
    if (this.#scans >= maxScans) throw new WeftError("RESOURCE_EXHAUSTED", `more than ${maxScans} scans at once`);
    this.#scans += 1;
    const { server } = this.#parts;
    try {
      const begun = await this.#with(index, (entry) => beginScan(server, entry, query, signal), signal);
      if (begun !== undefined) yield* scan(server, begun, signal);
    } finally {
      this.#scans -= 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  /** Another index may have taken the place of this one, or it may have been deleted, since its definition was read. */
  async #with<Result>(
    index: string,
    work: (entry: IndexEntry) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    const { catalog } = this.#parts;
    // Others wait for the definition too: it is read for them all.
    const entry = await orAborted(catalog.get(index), signal);
    try {
      return await work(entry);
    } catch (error) {
      if (!isWeftError(error, "NOT_FOUND")) throw error;
      catalog.forget(index);
      const now = await orAborted(catalog.get(index), signal);
      if (now.target === entry.target) throw error;
      return work(now);
    }
  }
}
