export type { InsertLogLag, InsertLogName, InsertLogReader, InsertLogs, LoggedInserts } from "./insert-log.ts";
export type { Migration, SqlDatabase, TransactionOptions } from "./sql.ts";
export { unlessAborted } from "./unless-aborted.ts";
