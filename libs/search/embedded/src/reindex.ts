import { type JsonObject, WeftError } from "@weft/kit";
import {
  changeFailure,
  checkReindex,
  encodeDefinition,
  type IndexDefinition,
  Misfits,
  type ReindexOptions,
} from "@weft/search";
import type { SqliteFile } from "@weft/sqlite";
import { beginBuild, endBuilds, isBuilding, removeEnded } from "./builds.ts";
import type { Catalog, IndexEntry } from "./catalog.ts";
import { type Column, columnsOf, swapTables, type TablesKey } from "./schema.ts";
import { chunkSize, type DocumentRows, documentRows, insertRows, removeRows, turn } from "./write.ts";

/** Turns of catching up with writers; then they wait for the rest. */
const maxRounds = 1000;

/**
 * Builds an index anew in tables beside its own (law F13). A trigger notes each row that anybody changes meanwhile, in the
 * transaction of the change. All rows are copied, a part at a time, then those that were noted, until few are left; the
 * last of them, and the swap of the tables' names, are one transaction. Rows keep their numbers, so that lists of results
 * stay good.
 */
export async function reindex(
  file: SqliteFile,
  catalog: Catalog,
  index: string,
  options: ReindexOptions,
): Promise<IndexEntry> {
  const { signal, onProgress = () => undefined } = options;
  const goOn = async (build: Build): Promise<void> => {
    await onProgress(build.progress);
    await turn();
    if (signal?.aborted === true) throw WeftError.from(signal.reason);
  };
  if (signal?.aborted === true) throw WeftError.from(signal.reason);
  await removeEnded(file);
  const build = new Build(file, catalog, index, options.definition);
  try {
    await goOn(build);
    while (build.copy()) await goOn(build);
    for (let round = 0; round < maxRounds && build.catchUp() === chunkSize; round += 1) await goOn(build);
    return build.swap();
  } finally {
    // What can't be removed now is by the next one.
    await build.end().catch(() => undefined);
  }
}

/** A row of the live index. */
interface Row {
  readonly row: number;
  readonly id: string;
  /** Null: it is a tombstone. */
  readonly document: string | null;
}

class Build {
  readonly #file: SqliteFile;
  readonly #catalog: Catalog;
  readonly #index: string;
  /** Of the live index. */
  readonly #number: number;
  readonly #key: TablesKey;
  readonly #definition: IndexDefinition;
  readonly #columns: readonly Column[];
  readonly #misfits = new Misfits();
  readonly #total: number;
  /** Rows after it were made later, and noted. */
  readonly #last: number;
  #documents = 0;
  #copied = 0;

  constructor(file: SqliteFile, catalog: Catalog, index: string, wanted: IndexDefinition | undefined) {
    this.#file = file;
    this.#catalog = catalog;
    this.#index = index;
    const begun = file.transaction(() => {
      const { number, documentCount, definition: old } = catalog.get(index);
      const definition = checkReindex(old, wanted);
      const columns = columnsOf(definition);
      const { last } = file.get<{ last: number }>(`SELECT coalesce(max(row), 0) AS last FROM doc_${number}`) ?? {
        last: 0,
      };
      return { number, total: documentCount, last, definition, columns, key: beginBuild(file, number, columns) };
    });
    this.#number = begun.number;
    this.#key = begun.key;
    this.#definition = begun.definition;
    this.#columns = begun.columns;
    this.#total = begun.total;
    this.#last = begun.last;
  }

  get progress(): { readonly processed: number; readonly total: number } {
    return { processed: this.#documents, total: this.#total };
  }

  /** Copies some rows; false when there are no more. */
  copy(): boolean {
    const rows = this.#file.snapshot(() => {
      this.#check();
      return this.#rows("d.row > ? AND d.row <= ? ORDER BY d.row LIMIT ?", this.#copied, this.#last, chunkSize);
    });
    this.#put(rows);
    this.#copied = rows.at(-1)?.row ?? this.#copied;
    return rows.length > 0;
  }

  /** Copies some rows that were changed meanwhile; how many. */
  catchUp(): number {
    const rows = this.#file.transaction(() => {
      this.#check();
      return this.#changed();
    });
    this.#put(rows);
    return rows.length;
  }

  /** Copies the last of them and takes the place of the live index. `FAILED_PRECONDITION` if a document does not fit. */
  swap(): IndexEntry {
    return this.#file.transaction(() => {
      this.#check();
      for (let rows = this.#changed(); rows.length > 0; rows = this.#changed()) this.#put(rows);
      this.#misfits.check();
      endBuilds(this.#file, this.#number);
      for (const statement of swapTables(this.#number, this.#key)) this.#file.run(statement);
      this.#file.run(
        "UPDATE search_index SET definition = ?, documents = ?, generation = generation + 1 WHERE number = ?",
        encodeDefinition(this.#definition),
        this.#documents,
        this.#number,
      );
      return this.#catalog.get(this.#index);
    });
  }

  /** From here on nobody notes changes for it, and its tables go. */
  async end(): Promise<void> {
    this.#file.transaction(() => {
      if (isBuilding(this.#file, this.#number, this.#key)) endBuilds(this.#file, this.#number);
    });
    await removeEnded(this.#file);
  }

  #check(): void {
    this.#catalog.get(this.#index);
    if (isBuilding(this.#file, this.#number, this.#key)) return;
    throw new WeftError("CONFLICT", `another reindex of ${this.#index} has begun, or the index was made anew`);
  }

  /** Rows that were changed, which are no longer noted from here on: the next change notes them again. */
  #changed(): readonly Row[] {
    const marks = this.#file.all<{ row: number }>(`SELECT row FROM mark_${this.#key} LIMIT ?`, chunkSize);
    if (marks.length === 0) return [];
    const list = JSON.stringify(marks.map(({ row }) => row));
    this.#file.run(`DELETE FROM mark_${this.#key} WHERE row IN (SELECT value FROM json_each(?))`, list);
    return this.#rows("d.row IN (SELECT value FROM json_each(?))", list);
  }

  #rows(which: string, ...parameters: readonly (string | number)[]): readonly Row[] {
    return this.#file.all<Row>(
      `SELECT d.row, d.id, b.document FROM doc_${this.#number} d LEFT JOIN body_${this.#number} b ON b.row = d.row
       WHERE ${which}`,
      ...parameters,
    );
  }

  /** Puts rows as they were read; one that has changed since is noted, and comes again. */
  #put(rows: readonly Row[]): void {
    const analysed = rows.map(({ row, id, document }) => ({ row, found: this.#analyse(id, document) }));
    this.#file.transaction(() => {
      this.#check();
      for (const { row, found } of analysed) this.#putRow(row, found);
    });
  }

  #analyse(id: string, text: string | null): DocumentRows | undefined {
    this.#misfits.delete(id);
    if (text === null) return undefined;
    const document = JSON.parse(text) as JsonObject;
    const failure = changeFailure(this.#definition, { kind: "put", id, document });
    if (failure?.outcome !== "failed")
      return documentRows({ definition: this.#definition, columns: this.#columns }, document);
    this.#misfits.add(id, failure.detail);
    return undefined;
  }

  #putRow(row: number, found: DocumentRows | undefined): void {
    const build = { number: this.#key, columns: this.#columns };
    const live = Number(found !== undefined);
    const old = this.#file.get<{ live: number }>(`SELECT live FROM doc_${this.#key} WHERE row = ?`, row);
    // The version goes from table to table: it may be larger than a JavaScript number holds exactly.
    this.#file.run(
      `INSERT INTO doc_${this.#key} (row, id, version, live) SELECT row, id, version, ? FROM doc_${this.#number} WHERE row = ?
       ON CONFLICT (row) DO UPDATE SET version = excluded.version, live = excluded.live`,
      live,
      row,
    );
    if (old?.live === 1) removeRows(this.#file, this.#key, row);
    if (found !== undefined) insertRows(this.#file, build, row, found);
    this.#documents += live - (old?.live ?? 0);
  }
}
