import type { FieldType, IndexDefinition } from "@weft/search";

/** Of `search.db`: the indexes. Each has tables of its own, which carry its number in their names. */
export const schema = [
  `CREATE TABLE search_index (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     name TEXT NOT NULL UNIQUE,
     definition TEXT NOT NULL,
     create_time INTEGER NOT NULL,
     documents INTEGER NOT NULL DEFAULT 0,
     -- Grows with every change: names a state of the index.
     generation INTEGER NOT NULL DEFAULT 0
   ) STRICT`,
  // Sets of tables beside those of an index: one that is being built, or what is left of an earlier one.
  `CREATE TABLE search_build (
     number INTEGER PRIMARY KEY AUTOINCREMENT,
     -- The index that is built anew; none: the tables are of no use any more.
     index_number INTEGER UNIQUE
   ) STRICT`,
];

/** Names the tables of an index, or of a build. */
export type TablesKey = number | `b${number}`;

const tables = ["doc", "body", "value", "suggest", "text"];

/** A field as the tables know it. */
export interface Column {
  readonly name: string;
  readonly type: FieldType;
  /** Names the field in `value`. */
  readonly number: number;
  /** Column of the full-text table, where the field is searched by words. */
  readonly text: string | undefined;
}

/** Text and keyword fields are searched by words; the language of a document is not a word of it. */
export function columnsOf(definition: IndexDefinition): readonly Column[] {
  return [...definition.fields].map(([name, type], number) => {
    const words = (type.kind === "text" || type.kind === "keyword") && name !== definition.languageField;
    return { name, type, number, text: words ? `c${number}` : undefined };
  });
}

/** Statements that make the tables of an index. */
export function createTables(number: TablesKey, columns: readonly Column[]): readonly string[] {
  const texts = columns.flatMap((column) => column.text ?? []);
  return [
    // A deleted document keeps its row as a tombstone: its version must outlive it (law F2).
    `CREATE TABLE doc_${number} (
       row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, live INTEGER NOT NULL) STRICT`,
    // Apart from `doc`, so that walking over ids and versions does not read the documents.
    `CREATE TABLE body_${number} (row INTEGER PRIMARY KEY, document TEXT NOT NULL) STRICT`,
    // Values of all fields, typed as they are, for filters, facets and sorts.
    `CREATE TABLE value_${number} (
       field INTEGER NOT NULL, value ANY NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (field, value, row)) STRICT, WITHOUT ROWID`,
    `CREATE INDEX value_${number}_row ON value_${number} (row, field, value)`,
    `CREATE TABLE suggest_${number} (
       term TEXT NOT NULL, row INTEGER NOT NULL, text TEXT NOT NULL, inner INTEGER NOT NULL,
       PRIMARY KEY (term, row, text)) STRICT, WITHOUT ROWID`,
    `CREATE INDEX suggest_${number}_row ON suggest_${number} (row)`,
    // Holds tokens that are made here; the tokenizer only cuts at spaces.
    `CREATE VIRTUAL TABLE text_${number} USING fts5(
       ${texts.length > 0 ? texts.join(", ") : "c"}, content='', contentless_delete=1,
       tokenize="ascii tokenchars '+#-._'")`,
  ];
}

/** Statements that drop them. */
export function dropTables(number: TablesKey): readonly string[] {
  return tables.map((table) => `DROP TABLE IF EXISTS ${table}_${number}`);
}

/** Statements that give the tables of each the names of the other's. Indexes of SQLite keep theirs, which nobody uses. */
export function swapTables(a: TablesKey, b: TablesKey): readonly string[] {
  return tables.flatMap((table) => [
    `ALTER TABLE ${table}_${a} RENAME TO ${table}_swapped`,
    `ALTER TABLE ${table}_${b} RENAME TO ${table}_${a}`,
    `ALTER TABLE ${table}_swapped RENAME TO ${table}_${b}`,
  ]);
}

/**
 * Statements that note, from now on, which rows of an index are changed, whoever changes them. Every change updates the
 * row of its document.
 */
export function createMarks(index: number, build: TablesKey): readonly string[] {
  return [
    `CREATE TABLE mark_${build} (row INTEGER PRIMARY KEY) STRICT`,
    `CREATE TRIGGER mark_${build}_row AFTER UPDATE ON doc_${index}
     BEGIN INSERT OR IGNORE INTO mark_${build} VALUES (new.row); END`,
  ];
}

/** Statements that end this. */
export function dropMarks(build: TablesKey): readonly string[] {
  return [`DROP TRIGGER IF EXISTS mark_${build}_row`, `DROP TABLE IF EXISTS mark_${build}`];
}
