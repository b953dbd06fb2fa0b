import { invalidPageToken } from "@weft/filter";
import { type Clock, isWeftError, randomHex, WeftError } from "@weft/kit";
import {
  checkDefinition,
  decodeDefinition,
  encodeDefinition,
  type IndexDefinition,
  type IndexInfo,
  sameDefinition,
} from "@weft/search";
import { mappingOf } from "./mapping.ts";
import type { Server } from "./server.ts";
import { removeIndexes, siblingsOf } from "./siblings.ts";
import { refresh } from "./snapshots.ts";

/** An index as it is used. */
export interface IndexEntry {
  readonly definition: IndexDefinition;
  /** Milliseconds since the epoch; told apart by it from one of the same name that was deleted. */
  readonly createTime: number;
  /** What it goes by, whichever index of Elasticsearch it is. */
  readonly alias: string;
  /** The index of Elasticsearch, made by this definition: searches and writes go there, so that they never meet another. */
  readonly target: string;
}

/**
 * How long a definition is taken as read, in milliseconds: within it another process may have made the index anew, and
 * searches still go to the one before (law F1 gives a second).
 */
const keepMs = 500;
/** Indexes whose definitions are kept. */
const maxKept = 1000;
/** Indexes of a namespace that can be counted. */
const maxIndexes = 10_000;

interface Meta {
  readonly definition: string;
  readonly createTime: number;
}

type Indexes = Readonly<
  Record<
    string,
    {
      readonly aliases?: Readonly<Record<string, object>>;
      readonly mappings?: { readonly _meta?: { readonly weft?: Meta } };
    }
  >
>;

/**
 * The indexes of a namespace. `packages` is the alias `weft.packages` of the index `weft.packages.v1`, so that another
 * index, `weft.packages.` and some random letters, can take its place. No name of a namespace or an index has a dot, so
 * they never meet. The definition lies in the `_meta` of the mapping.
 */
export class Catalog {
  readonly #server: Server;
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly entry: Promise<IndexEntry>; readonly until: number }>();

  constructor(options: { readonly server: Server; readonly namespace: string; readonly clock: Clock }) {
    this.#server = options.server;
    this.#namespace = options.namespace;
    this.#clock = options.clock;
  }

  /** `NOT_FOUND` when there is none. */
  async get(index: string): Promise<IndexEntry> {
    const now = this.#clock.monotonic();
    const kept = this.#kept.get(index);
    if (kept !== undefined && kept.until > now) return kept.entry;
    const entry = this.#read(index);
    if (this.#kept.size >= maxKept) this.#kept.clear();
    this.#kept.set(index, { entry, until: now + keepMs });
    // A failure is nobody's to keep.
    entry.catch(() => this.forget(index));
    return entry;
  }

  /** Reads it anew the next time. */
  forget(index: string): void {
    this.#kept.delete(index);
  }

  /** Does what `createIndex` of the port says. */
  async create(definition: IndexDefinition): Promise<IndexInfo> {
    checkDefinition(definition);
    const alias = this.#alias(definition.index);
    const meta: Meta = { definition: encodeDefinition(definition), createTime: this.#clock.now() };
    // Asked first: a full disk refuses new indexes, and this one need not be new.
    const old = await this.#find(definition.index);
    if (old === undefined) {
      try {
        await this.#server.request({
          method: "PUT",
          path: `/${alias}.v1`,
          body: { aliases: { [alias]: {} }, mappings: { ...mappingOf(definition), _meta: { weft: meta } } },
          kind: "repeatable",
        });
      } catch (error) {
        // Another process was faster, or this one's first try was carried out.
        if (!isWeftError(error, "ALREADY_EXISTS")) throw error;
      }
    }
    this.forget(definition.index);
    const entry = old ?? (await this.#read(definition.index));
    if (!sameDefinition(entry.definition, definition)) {
      throw new WeftError("ALREADY_EXISTS", `the index ${definition.index} has another definition`);
    }
    return this.#info(entry);
  }

  /** Makes an empty index beside a live one, by another definition. */
  async createBeside({ alias, createTime }: IndexEntry, definition: IndexDefinition): Promise<IndexEntry> {
    const target = `${alias}.${randomHex(8)}`;
    const meta: Meta = { definition: encodeDefinition(definition), createTime };
    const body = { mappings: { ...mappingOf(definition), _meta: { weft: meta } } };
    // Sent again, it would find itself.
    await this.#server.request({ method: "PUT", path: `/${target}`, body, kind: "once" });
    return { definition, createTime, alias, target };
  }

  async info(index: string): Promise<IndexInfo> {
    return this.#info(await this.#read(index));
  }

  /** Sorted by name. */
  async list(): Promise<readonly IndexInfo[]> {
    const pattern = `${this.#namespace}.*`;
    await refresh(this.#server, pattern);
    const [indexes, { aggregations }] = await Promise.all([
      describe(this.#server, pattern),
      this.#server.request<{ readonly aggregations?: { readonly indexes: { readonly buckets: readonly Bucket[] } } }>({
        method: "POST",
        path: `/${pattern}/_search`,
        query: { allow_partial_search_results: false },
        body: { size: 0, query: live, aggs: { indexes: { terms: { field: "_index", size: maxIndexes } } } },
        kind: "read",
      }),
    ]);
    const counts = new Map(aggregations?.indexes.buckets.map(({ key, doc_count }) => [key, doc_count]));
    return Object.entries(indexes)
      .flatMap(([name, found]): readonly IndexInfo[] => {
        const entry = entryOf(name, found);
        if (entry === undefined) return [];
        const { definition, createTime } = entry;
        return [{ definition, createTime, documentCount: counts.get(name) ?? 0 }];
      })
      .toSorted((a, b) => (a.definition.index < b.definition.index ? -1 : 1));
  }

  /** `NOT_FOUND` when there is none. */
  async delete(index: string): Promise<void> {
    const { alias, target } = await this.#read(index);
    // And what is left of those that it replaced, or is about to replace it.
    const names = [target, ...(await siblingsOf(this.#server, { alias, target })).map(({ name }) => name)];
    await removeIndexes(this.#server, names);
    this.forget(index);
  }

  /** How many documents an index of Elasticsearch has, or an alias. */
  async count(name: string): Promise<number> {
    await refresh(this.#server, name);
    const { count } = await this.#server.request<{ readonly count: number }>({
      method: "POST",
      path: `/${name}/_count`,
      body: { query: live },
      kind: "read",
    });
    return count;
  }

  #alias(index: string): string {
    return `${this.#namespace}.${index}`;
  }

  async #info({ definition, createTime, alias }: IndexEntry): Promise<IndexInfo> {
    return { definition, createTime, documentCount: await this.count(alias) };
  }

  async #read(index: string): Promise<IndexEntry> {
    const entry = await this.#find(index);
    if (entry === undefined) throw noIndex(index);
    return entry;
  }

  async #find(index: string): Promise<IndexEntry | undefined> {
    // A name that no index can have is not one of Elasticsearch's patterns either.
    if (!/^[a-z][a-z0-9_-]*$/.test(index)) return undefined;
    const [found] = Object.entries(await describe(this.#server, this.#alias(index)));
    return found === undefined ? undefined : entryOf(...found);
  }
}

function describe(server: Server, names: string, signal?: AbortSignal): Promise<Indexes> {
  return server.request({
    method: "GET",
    path: `/${names}`,
    query: {
      features: "aliases,mappings",
      ignore_unavailable: true,
      filter_path: "*.aliases,*.mappings._meta",
    },
    kind: "read",
    signal,
  });
}

/**
 * The index that a page token is of: the live one, or one that it has replaced, by whose definition the query was asked.
 * `INVALID_PAGE_TOKEN` when that is no longer there.
 */
export async function entryOfPage(
  server: Server,
  live: IndexEntry,
  { target, signal }: { readonly target: string; readonly signal: AbortSignal | undefined },
): Promise<IndexEntry> {
  if (target === live.target) return live;
  const { alias, createTime } = live;
  // A token is not signed: it names no other index than this one's.
  if (!target.startsWith(`${alias}.`) || !/^[a-z0-9]+$/.test(target.slice(alias.length + 1))) throw invalidPageToken();
  const { [target]: found } = await describe(server, target, signal);
  const meta = found?.mappings?._meta?.weft;
  if (meta?.createTime !== createTime) throw invalidPageToken();
  return { definition: decodeDefinition(meta.definition), createTime, alias, target };
}

interface Bucket {
  readonly key: string;
  readonly doc_count: number;
}

/** Leaves tombstones out. */
export const live = { term: { live: true } };

function entryOf(target: string, { aliases, mappings }: Indexes[string]): IndexEntry | undefined {
  const [alias] = Object.keys(aliases ?? {});
  const meta = mappings?._meta?.weft;
  if (alias === undefined || meta === undefined) return undefined;
  return { definition: decodeDefinition(meta.definition), createTime: meta.createTime, alias, target };
}

function noIndex(index: string): WeftError {
  return new WeftError("NOT_FOUND", `there is no index ${index}`, { metadata: { index } });
}
