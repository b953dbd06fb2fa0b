import { DatabaseError } from "pg";
import { WeftError } from "@weft/kit";
import { postgresError } from "../errors.ts";

/** What the SQL states of replication mean: the same codes mean something else where rows are read and written. */
const byState: Readonly<Record<string, readonly ["FAILED_PRECONDITION" | "NOT_FOUND" | "UNAVAILABLE", string]>> = {
  "42501": [
    "FAILED_PRECONDITION",
    "the user of the database may not replicate: run ALTER ROLE … REPLICATION (and own the table), or use the relay `table`",
  ],
  // The slot, or the publication that it sends.
  "42704": ["NOT_FOUND", "the server has no such log"],
  "55000": ["NOT_FOUND", "the server gave up the log, as its reader was too far behind"],
  "55006": ["UNAVAILABLE", "another process reads the log"],
};

/** Any failure on the way to a log, as a WeftError. */
export function replicationError(error: unknown): WeftError {
  const [reason, message] = (error instanceof DatabaseError ? byState[error.code ?? ""] : undefined) ?? [];
  if (reason === undefined || message === undefined) return postgresError(error);
  return new WeftError(reason, message, { metadata: { sqlState: codeOf(error) }, cause: error });
}

function codeOf(error: unknown): string {
  return error instanceof DatabaseError ? (error.code ?? "") : "";
}
