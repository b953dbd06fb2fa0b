export type { Migration, SqlDatabase, TransactionOptions } from "./sql.ts";
