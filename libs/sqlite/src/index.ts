export { type OpenSqliteOptions, SqliteFile } from "./sqlite.ts";
