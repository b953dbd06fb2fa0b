import { WeftError } from "@weft/kit";
import {
  checkDefinition,
  decodeDefinition,
  encodeDefinition,
  type IndexDefinition,
  type IndexInfo,
  sameDefinition,
} from "@weft/search";
import type { SqliteFile } from "@weft/sqlite";
import { endBuilds } from "./builds.ts";
import { type Column, columnsOf, createTables, dropTables } from "./schema.ts";

/** An index as its tables are used. */
export interface IndexEntry extends IndexInfo {
  /** Never used again, also when an index of the same name is made later. */
  readonly number: number;
  readonly columns: readonly Column[];
  /** Names the present state of the index. */
  readonly generation: number;
}

interface Row {
  readonly number: number;
  readonly definition: string;
  readonly create_time: number;
  readonly documents: number;
  readonly generation: number;
}

/** The indexes of a file. Read anew at every call, because other processes make and drop them. */
export class Catalog {
  readonly #file: SqliteFile;
  /** By their text. */
  readonly #parsed = new Map<string, { readonly definition: IndexDefinition; readonly columns: readonly Column[] }>();

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  /** `NOT_FOUND` when there is none. */
  get(name: string): IndexEntry {
    const row = this.#file.get<Row>("SELECT * FROM search_index WHERE name = ?", name);
    if (row === undefined) throw new WeftError("NOT_FOUND", `there is no index ${name}`, { metadata: { index: name } });
    return this.#entry(row);
  }

  list(): readonly IndexEntry[] {
    return this.#file.all<Row>("SELECT * FROM search_index ORDER BY name").map((row) => this.#entry(row));
  }

  create(definition: IndexDefinition, now: number): IndexEntry {
    checkDefinition(definition);
    return this.#file.transaction(() => {
      const old = this.#file.get<Row>("SELECT * FROM search_index WHERE name = ?", definition.index);
      if (old === undefined) {
        this.#file.run(
          "INSERT INTO search_index (name, definition, create_time) VALUES (?, ?, ?)",
          definition.index,
          encodeDefinition(definition),
          now,
        );
        const { number, columns } = this.get(definition.index);
        for (const statement of createTables(number, columns)) this.#file.run(statement);
      } else if (!sameDefinition(this.#entry(old).definition, definition)) {
        throw new WeftError("ALREADY_EXISTS", `the index ${definition.index} has another definition`);
      }
      return this.get(definition.index);
    });
  }

  delete(name: string): void {
    this.#file.transaction(() => {
      const { number } = this.get(name);
      endBuilds(this.#file, number);
      for (const statement of dropTables(number)) this.#file.run(statement);
      this.#file.run("DELETE FROM search_index WHERE number = ?", number);
    });
  }

  #entry(row: Row): IndexEntry {
    let parsed = this.#parsed.get(row.definition);
    if (parsed === undefined) {
      const definition = decodeDefinition(row.definition);
      parsed = { definition, columns: columnsOf(definition) };
      if (this.#parsed.size >= 1000) this.#parsed.clear();
      this.#parsed.set(row.definition, parsed);
    }
    return {
      ...parsed,
      number: row.number,
      createTime: row.create_time,
      documentCount: row.documents,
      generation: row.generation,
    };
  }
}
