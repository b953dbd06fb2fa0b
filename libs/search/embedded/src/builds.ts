import type { SqliteFile } from "@weft/sqlite";
import { type Column, createMarks, createTables, dropMarks, dropTables, type TablesKey } from "./schema.ts";
import { turn } from "./write.ts";

/** Makes empty tables in which an index is built anew, instead of any other that are there for it. In a transaction. */
export function beginBuild(file: SqliteFile, index: number, columns: readonly Column[]): TablesKey {
  endBuilds(file, index);
  file.run("INSERT INTO search_build (index_number) VALUES (?)", index);
  const { number } = file.get<{ number: number }>("SELECT last_insert_rowid() AS number") ?? { number: 0 };
  const key = keyOf(number);
  for (const statement of [...createTables(key, columns), ...createMarks(index, key)]) file.run(statement);
  return key;
}

/** Whether these are the tables in which the index is built. */
export function isBuilding(file: SqliteFile, index: number, key: TablesKey): boolean {
  return buildsOf(file, index).includes(key);
}

/** Takes its builds away from an index; their tables are left to {@link removeEnded}. In a transaction. */
export function endBuilds(file: SqliteFile, index: number): void {
  for (const key of buildsOf(file, index)) for (const statement of dropMarks(key)) file.run(statement);
  file.run("UPDATE search_build SET index_number = NULL WHERE index_number = ?", index);
}

/** Drops the tables of builds that have ended, table by table: each takes its time, for which others can't write. */
export async function removeEnded(file: SqliteFile): Promise<void> {
  const ended = file.all<{ number: number }>("SELECT number FROM search_build WHERE index_number IS NULL");
  for (const { number } of ended) {
    for (const statement of dropTables(keyOf(number))) {
      file.run(statement);
      await turn();
    }
    file.run("DELETE FROM search_build WHERE number = ?", number);
  }
}

function buildsOf(file: SqliteFile, index: number): readonly TablesKey[] {
  const sql = "SELECT number FROM search_build WHERE index_number = ?";
  return file.all<{ number: number }>(sql, index).map(({ number }) => keyOf(number));
}

function keyOf(number: number): TablesKey {
  return `b${number}`;
}
