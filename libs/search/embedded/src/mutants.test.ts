import type { DocumentChange, SearchEngine, SearchPage, SearchQuery } from "@weft/search";
import { searchLaws } from "@weft/search/conformance";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { SearchFixture } from "@weft/search/conformance";
import { openFixture } from "./fixture.ts";

type Change = (right: SearchEngine) => Partial<SearchEngine>;

/** The embedded engine with some methods of every handle replaced: what shows that the suite notices. */
function mutant(breaks: string, fault: string, change: Change): Mutant<SearchFixture> {
  return { breaks, fault, open: () => openFixture((right) => ({ ...methodsOf(right), ...change(right) })) };
}

function methodsOf(right: SearchEngine): SearchEngine {
  return {
    createIndex: (definition) => right.createIndex(definition),
    getIndex: (index) => right.getIndex(index),
    listIndexes: () => right.listIndexes(),
    deleteIndex: (index) => right.deleteIndex(index),
    apply: (index, changes) => right.apply(index, changes),
    getDocument: (index, id) => right.getDocument(index, id),
    search: (index, query) => right.search(index, query),
    suggest: (index, prefix, limit) => right.suggest(index, prefix, limit),
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

function withoutVersion({ version: _, ...change }: DocumentChange): DocumentChange {
  return change;
}

describeMutants("search mutants", searchLaws, [
  mutant("F1", "acknowledges before it writes", (right) => ({
    apply: async (index, changes) => {
      setTimeout(() => void right.apply(index, changes).catch(() => undefined), 2000).unref();
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
]);
