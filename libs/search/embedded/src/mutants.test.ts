import { join } from "node:path";
import type { DocumentChange, ReindexProgress, SearchEngine, SearchPage, SearchQuery } from "@weft/search";
import { isWeftError, WeftError } from "@weft/kit";
import { searchLaws } from "@weft/search/conformance";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { SearchFixture } from "@weft/search/conformance";
import { SqliteFile } from "@weft/sqlite";
import { openFixture } from "./fixture.ts";
import { schema } from "./schema.ts";

type Change = (right: SearchEngine, dataDir: string) => Partial<SearchEngine>;

/** The embedded engine with some methods of every handle replaced: what shows that the suite notices. */
function mutant(breaks: string, fault: string, change: Change): Mutant<SearchFixture> {
  return {
    breaks,
    fault,
    open: () => openFixture((right, dataDir) => ({ ...methodsOf(right), ...change(right, dataDir) })),
  };
}

function methodsOf(right: SearchEngine): SearchEngine {
  return {
    createIndex: (definition) => right.createIndex(definition),
    getIndex: (index) => right.getIndex(index),
    listIndexes: () => right.listIndexes(),
    deleteIndex: (index) => right.deleteIndex(index),
    reindex: (index, options) => right.reindex(index, options),
    apply: (index, changes) => right.apply(index, changes),
    getDocument: (index, id) => right.getDocument(index, id),
    search: (index, query, signal) => right.search(index, query, signal),
    suggest: (index, query, signal) => right.suggest(index, query, signal),
    scan: (index, query, signal) => right.scan(index, query, signal),
    [Symbol.asyncDispose]: () => right[Symbol.asyncDispose](),
  };
}

const applying = (change: (changes: readonly DocumentChange[]) => readonly DocumentChange[]): Change => {
  return (right) => ({ apply: (index, changes) => right.apply(index, change(changes)) });
};

const asking = (change: (query: SearchQuery) => SearchQuery): Change => {
  return (right) => ({ search: (index, query) => right.search(index, change(query)) });
};

const answering = (change: (page: SearchPage) => SearchPage): Change => {
  return (right) => ({ search: async (index, query) => change(await right.search(index, query)) });
};

/** A reindex whose tables are tampered with each time after writers had their turn. */
const tampering = (tamper: (file: SqliteFile, build: string, notedBefore: readonly number[]) => void): Change => {
  return (right, dataDir) => ({
    reindex: async (index, options = {}) => {
      using file = new SqliteFile({ path: join(dataDir, "search.db"), schema });
      const onProgress = async (progress: ReindexProgress): Promise<void> => {
        const build = file.get<{ name: string }>(
          "SELECT 'b' || number AS name FROM search_build WHERE index_number IS NOT NULL",
        )?.name;
        const noted = build === undefined ? [] : file.all<{ row: number }>(`SELECT row FROM mark_${build}`);
        await options.onProgress?.(progress);
        const rows = noted.map(({ row }) => row);
        if (build !== undefined) file.transaction(() => tamper(file, build, rows));
      };
      return await right.reindex(index, { ...options, onProgress });
    },
  });
};

function withoutVersion({ version: _, ...change }: DocumentChange): DocumentChange {
  return change;
}

describeMutants("search mutants", searchLaws, [
  mutant("F1", "acknowledges before it writes", (right) => ({
    apply: async (index, changes) => {
      // Later than any look, also on a machine that stalls.
      setTimeout(() => void right.apply(index, changes).catch(() => undefined), 30_000).unref();
      return changes.map(() => ({ outcome: "applied" }) as const);
    },
  })),
  mutant(
    "F2",
    "the last writer wins",
    applying((changes) => changes.map(withoutVersion)),
  ),
  mutant(
    "F2",
    "versions are numbers",
    applying((changes) =>
      changes.map((change) =>
        change.version === undefined ? change : { ...change, version: BigInt(Number(change.version)) },
      ),
    ),
  ),
  mutant(
    "F2",
    "a deletion leaves no trace",
    applying((changes) =>
      changes
        .map((change) => (change.kind === "delete" ? withoutVersion(change) : change))
        .filter((change) => change.id !== "b" || change.kind === "put"),
    ),
  ),
  mutant("F3", "one bad document fails the batch", (right) => ({
    apply: async (index, changes) => {
      const results = await right.apply(index, changes);
      const failed = results.find((result) => result.outcome === "failed");
      return failed === undefined ? results : results.map(() => failed);
    },
  })),
  mutant("F4", "pages by position in a fresh result", (right) => ({
    search: async (index, query) => {
      const { after, ...rest } = query;
      const offset = Number(after ?? 0);
      const page = await right.search(index, { ...rest, pageSize: 1000 });
      const end = offset + query.pageSize;
      const { next: _, ...answer } = page;
      return {
        ...answer,
        hits: page.hits.slice(offset, end),
        ...(end < page.hits.length ? { next: String(end) } : {}),
      };
    },
  })),
  mutant(
    "F5",
    "one word is enough",
    asking((query) => ({ ...query, text: query.text.split(" ", 1)[0] ?? "" })),
  ),
  mutant(
    "F6",
    "filters are ignored",
    asking(({ filter: _, ...query }) => query),
  ),
  mutant("F7", "fields are kept by name", (right) => ({
    createIndex: (definition) => {
      const fields = new Map([...definition.fields].sort(([a], [b]) => (a < b ? -1 : 1)));
      return right.createIndex({ ...definition, fields });
    },
  })),
  mutant("F8", "facets count the page", (right) => ({
    search: async (index, query) => {
      const page = await right.search(index, query);
      const largest = query.pageSize;
      const facets = [...page.facets].map(
        ([name, counts]) =>
          [name, counts.map(({ value, count }) => ({ value, count: Math.min(count, largest) }))] as const,
      );
      return { ...page, facets: new Map(facets) };
    },
  })),
  mutant(
    "F9",
    "excerpts are raw text",
    answering((page) => ({
      ...page,
      hits: page.hits.map((hit) => ({
        ...hit,
        highlights: new Map(
          [...hit.highlights].map(([name, found]) => [name, found.map((text) => text.replaceAll("&lt;", "<"))]),
        ),
      })),
    })),
  ),
  mutant("F10", "deleting what is not there succeeds", (right) => ({
    deleteIndex: (index) => right.deleteIndex(index).catch(() => undefined),
  })),
  mutant("F12", "a scan reads live pages", (right) => ({
    scan: async function* (index, query) {
      let after: string | undefined;
      do {
        const page = await right.search(index, { ...query, pageSize: 5, ...(after === undefined ? {} : { after }) });
        for (const hit of page.hits) yield hit.document;
        after = page.next;
      } while (after !== undefined);
    },
  })),
  mutant(
    "F13 what is written while",
    "it does not catch up",
    tampering((file, build) => void file.run(`DELETE FROM mark_${build}`)),
  ),
  mutant(
    "F13 what is written while",
    "the swap comes before the last changes",
    tampering((file, build, notedBefore) => {
      const sql = `DELETE FROM mark_${build} WHERE row NOT IN (SELECT value FROM json_each(?))`;
      if (file.get(`SELECT 1 FROM doc_${build} LIMIT 1 OFFSET 250`) !== undefined)
        file.run(sql, JSON.stringify(notedBefore));
    }),
  ),
  mutant(
    "F13 what is written while",
    "deletions are not carried over",
    tampering((file, build) => void file.run(`DELETE FROM doc_${build} WHERE live = 0`)),
  ),
  mutant(
    "F13 what is written while",
    "documents are copied without their versions",
    tampering((file, build) => void file.run(`UPDATE doc_${build} SET version = 1`)),
  ),
  mutant("F13 no search and no write", "it takes effect at once, and is filled afterwards", (right) => ({
    reindex: async (index, { definition, onProgress = () => undefined } = {}) => {
      const info = await right.getIndex(index);
      const documents = await Array.fromAsync(right.scan(index, { text: "" }, new AbortController().signal));
      await right.deleteIndex(index);
      await right.createIndex(definition ?? info.definition);
      await onProgress({ processed: 0, total: documents.length });
      await right.apply(
        index,
        documents.map((document) => ({ kind: "put", id: String(document["id"]), document })),
      );
      return right.getIndex(index);
    },
  })),
  mutant("F13 one that is given up", "it can't be given up", (right) => ({
    reindex: (index, { signal: _, ...options } = {}) => right.reindex(index, options),
  })),
  mutant("F14", "a search can't be given up", (right) => ({
    search: (index, query) => right.search(index, query),
  })),
  mutant("F14", "whoever gives up ends what others wait for", (right) => {
    let isClosed = false;
    return {
      suggest: async (index, query, signal) => {
        isClosed ||= signal?.aborted ?? false;
        if (isClosed) throw WeftError.from(signal?.reason ?? new WeftError("CANCELLED", "the caller gave up"));
        return right.suggest(index, query, signal);
      },
    };
  }),
  mutant("F13 documents that do not fit", "they are left out and not named", (right) => ({
    reindex: async (index, options = {}) => {
      try {
        return await right.reindex(index, options);
      } catch (error) {
        if (!isWeftError(error, "FAILED_PRECONDITION")) throw error;
        const changes = error.violations.map(({ field: id }) => ({ kind: "delete", id }) as const);
        await right.apply(index, changes);
        return right.reindex(index, options);
      }
    },
  })),
]);
