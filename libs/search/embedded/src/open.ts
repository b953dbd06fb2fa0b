import { join } from "node:path";
import { type Clock, type JsonObject, systemClock, throwIfAborted, WeftError } from "@weft/kit";
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
import { SqliteFile } from "@weft/sqlite";
import { removeEnded } from "./builds.ts";
import { Catalog, type IndexEntry } from "./catalog.ts";
import { ResultPages } from "./pages.ts";
import { reindex } from "./reindex.ts";
import { scan } from "./scan.ts";
import { schema } from "./schema.ts";
import { search } from "./search.ts";
import { suggest } from "./suggest.ts";
import { applyChanges } from "./write.ts";

/** Bound of SQLite's page cache, in KiB. */
const cacheKiB = 32 * 1024;
/** Pages of 4 KiB that the write-ahead log holds before they are copied back. */
const checkpointPages = 4000;

/** Scans of a handle at the same time: each keeps a copy of what it found on disk. */
const maxScans = 16;

/** Where an embedded search engine keeps its files. */
export interface EmbeddedSearchOptions {
  /** Folder of `search.db` and `search-pages.db`; made when missing. */
  readonly dataDir: string;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * Full-text search on SQLite FTS5, shared by all processes that open the same folder. Survives a crash of any of them.
 * Errors are those of the port, and of the file (`UNAVAILABLE`, `RESOURCE_EXHAUSTED`, `DATA_LOSS`).
 */
export async function openEmbeddedSearch(options: EmbeddedSearchOptions): Promise<SearchEngine> {
  const { dataDir, clock = systemClock } = options;
  using stack = new DisposableStack();
  const file = stack.use(new SqliteFile({ path: join(dataDir, "search.db"), schema }));
  // Insertions touch pages all over the indexes: keep more of them at hand, and copy them back less often.
  file.run(`PRAGMA cache_size = -${cacheKiB}`);
  file.run(`PRAGMA wal_autocheckpoint = ${checkpointPages}`);
  const pages = stack.use(new ResultPages({ dataDir, clock }));
  return new EmbeddedSearch({ dataDir, clock, file, pages, stack: stack.move() });
}

interface Parts {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly file: SqliteFile;
  readonly pages: ResultPages;
  readonly stack: DisposableStack;
}

class EmbeddedSearch implements SearchEngine {
  readonly #parts: Parts;
  readonly #catalog: Catalog;
  #scans = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#catalog = new Catalog(parts.file);
  }

  async createIndex(definition: IndexDefinition): Promise<IndexInfo> {
    return infoOf(this.#catalog.create(definition, this.#parts.clock.now()));
  }

  async getIndex(index: string): Promise<IndexInfo> {
    return infoOf(this.#catalog.get(index));
  }

  async listIndexes(): Promise<readonly IndexInfo[]> {
    return this.#catalog.list().map(infoOf);
  }

  async deleteIndex(index: string): Promise<void> {
    this.#catalog.delete(index);
    await removeEnded(this.#parts.file);
  }

  async reindex(index: string, options: ReindexOptions = {}): Promise<IndexInfo> {
    return infoOf(await reindex(this.#parts.file, this.#catalog, index, options));
  }

  async apply(index: string, changes: readonly DocumentChange[]): Promise<readonly ChangeResult[]> {
    checkChanges(changes);
    return applyChanges(this.#parts.file, this.#catalog, index, changes);
  }

  async getDocument(index: string, id: string): Promise<JsonObject> {
    return this.#read(index, ({ number }) => {
      const row = this.#parts.file.get<{ document: string }>(
        `SELECT b.document FROM doc_${number} d JOIN body_${number} b ON b.row = d.row WHERE d.id = ?`,
        id,
      );
      if (row === undefined) throw new WeftError("NOT_FOUND", `${index} has no such document`, { metadata: { id } });
      return JSON.parse(row.document) as JsonObject;
    });
  }

  async search(index: string, query: SearchQuery, signal?: AbortSignal): Promise<SearchPage> {
    // What follows is done in one go: nobody can give up meanwhile.
    throwIfAborted(signal);
    return this.#read(index, (entry) => search(this.#parts.file, this.#parts.pages, entry, query));
  }

  async suggest(
    index: string,
    query: SuggestQuery,
    signal?: AbortSignal,
  ): Promise<readonly { readonly text: string; readonly id: string }[]> {
    throwIfAborted(signal);
    return this.#read(index, (entry) => suggest(this.#parts.file, entry, query));
  }

  async *scan(
    index: string,
    query: Pick<SearchQuery, "text" | "filter">,
    signal: AbortSignal,
  ): AsyncIterable<JsonObject> {
    if (this.#scans >= maxScans) throw new WeftError("RESOURCE_EXHAUSTED", `more than ${maxScans} scans at once`);
    this.#scans += 1;
    try {
      yield* scan(this.#parts.dataDir, index, query, signal);
    } finally {
      this.#scans -= 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.stack.dispose();
  }

  /** The index and its tables from one state of the file: no other process can drop it in between. */
  #read<T>(index: string, work: (entry: IndexEntry) => T): T {
    return this.#parts.file.snapshot(() => work(this.#catalog.get(index)));
  }
}

function infoOf({ definition, createTime, documentCount }: IndexEntry): IndexInfo {
  return { definition, createTime, documentCount };
}
