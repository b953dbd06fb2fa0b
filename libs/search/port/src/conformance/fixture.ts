import type { IndexDefinition, SearchEngine } from "../index.ts";

/** One store of indexes, empty, made for one test. */
export interface SearchFixture extends AsyncDisposable {
  /** Another handle on it, as another process would have. The fixture disposes what the test leaves open. */
  open(): Promise<SearchEngine>;
  /** Puts the document `{ id, name }` from a process of its own, which ends without a word right after `apply` resolved. */
  putElsewhereAndDie(definition: IndexDefinition, id: string, name: string): Promise<void>;
  /** Begins to reindex under the definition in a process of its own, which ends without a word when some documents are copied. */
  reindexElsewhereAndDie(definition: IndexDefinition): Promise<void>;
}

/** The index that laws use, unless they need another. */
export const shop: IndexDefinition = {
  index: "shop",
  idField: "id",
  languageField: "lang",
  fields: new Map([
    ["name", { kind: "keyword", facet: false, suggest: true }],
    ["title", { kind: "text", weight: 3, suggest: true }],
    ["body", { kind: "text", weight: 1, suggest: false }],
    ["tags", { kind: "keyword", facet: true, suggest: false }],
    ["lang", { kind: "keyword", facet: true, suggest: false }],
    ["size", { kind: "integer", facet: true }],
    ["price", { kind: "number" }],
    ["made", { kind: "date" }],
    ["sold", { kind: "boolean", facet: true }],
  ]),
};

/** The index of the package descriptions in four languages that tests and benchmarks load. */
export const packages: IndexDefinition = {
  index: "packages",
  idField: "id",
  languageField: "lang",
  fields: new Map([
    ["name", { kind: "keyword", facet: false, suggest: true }],
    ["summary", { kind: "text", weight: 3, suggest: false }],
    ["description", { kind: "text", weight: 1, suggest: false }],
    ["section", { kind: "keyword", facet: true, suggest: false }],
    ["tags", { kind: "keyword", facet: true, suggest: false }],
    ["lang", { kind: "keyword", facet: true, suggest: false }],
    ["installedKiB", { kind: "integer", facet: false }],
  ]),
};
