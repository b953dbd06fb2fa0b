import { DatabaseError } from "pg";
import { errorCode, type Reason, WeftError } from "@weft/kit";

/**
 * Anything that pg or kysely throws, as a WeftError. Total: a WeftError stays as it is, what is not known is `INTERNAL`.
 *
 * SQLSTATE codes: https://www.postgresql.org/docs/18/errcodes-appendix.html. What PostgreSQL says in `detail` holds
 * values of rows (`Key (email)=(…) already exists`), so it is neither passed on nor kept in the cause.
 */
export function postgresError(error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  if (error instanceof DatabaseError) return fromSqlState(error);
  if (error instanceof AggregateError && error.errors.length > 0) return postgresError(error.errors[0]);
  if (!(error instanceof Error)) return WeftError.from(error);
  const code = errorCode(error) ?? "";
  if (networkCodes.has(code) || lostConnection.test(error.message)) {
    return new WeftError("UNAVAILABLE", "the database can't be reached", { cause: error });
  }
  if (untrusted.test(code)) {
    const metadata = { certificate: code };
    return new WeftError("INVALID_CONFIGURATION", `the certificate of the database is not trusted: ${code}`, {
      metadata,
      cause: error,
    });
  }
  if (error.message === "The server does not support SSL connections") {
    return new WeftError("INVALID_CONFIGURATION", "the database speaks no TLS, which sslmode asks for", {
      cause: error,
    });
  }
  if (error.message === "timeout exceeded when trying to connect") {
    return new WeftError("RESOURCE_EXHAUSTED", "every connection to the database is busy", { cause: error });
  }
  if (isQueryTimeout(error)) {
    return new WeftError("DEADLINE_EXCEEDED", "the database did not answer in time", { cause: error });
  }
  return WeftError.from(error);
}

/** Whether pg's own timer for a query ran out; the connection is of no use any more then. */
export function isQueryTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "Query read timeout";
}

/** Whether the whole transaction may succeed when it is run again: a serialization failure or a deadlock. */
export function mayRetryTransaction(error: unknown): boolean {
  return error instanceof WeftError && (error.metadata.sqlState === "40001" || error.metadata.sqlState === "40P01");
}

const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ERR_STREAM_DESTROYED",
]);

/** pg reports these without a code (pg/lib/client.js, pg-pool/index.js). */
const lostConnection =
  /^(Connection terminated|timeout expired|Client has encountered a connection error|Client was closed|Cannot use a pool after|Postgres connection has been discarded|There was an error establishing an SSL connection|Client network socket disconnected before secure TLS)/;

/** What Node calls a certificate that does not pass: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const untrusted =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH|ERR_TLS_CERT_ALTNAME)/;

function fromSqlState(error: DatabaseError): WeftError {
  const sqlState = error.code ?? "";
  const [reason, message] = meaningOf(sqlState);
  const metadata: Record<string, string> = { sqlState };
  if (error.constraint !== undefined) metadata["constraint"] = error.constraint;
  return new WeftError(reason, message, { metadata, cause: withoutValues(error, sqlState) });
}

/** The exact code where it matters, else the class that its first two characters name. */
function meaningOf(sqlState: string): readonly [Reason, string] {
  return (
    byCode[sqlState] ?? byClass[sqlState.slice(0, 2)] ?? (["INTERNAL", "a statement of the database failed"] as const)
  );
}

const byCode: Readonly<Record<string, readonly [Reason, string]>> = {
  "23505": ["ALREADY_EXISTS", "a row with these values exists already"],
  // Said by a standby, and by hosted servers whose disk is full.
  "25006": ["UNAVAILABLE", "the database takes no writes: it is a standby, or its disk is full"],
  "25P03": ["DEADLINE_EXCEEDED", "the transaction was idle for too long"],
  "25P04": ["DEADLINE_EXCEEDED", "the transaction took too long"],
  "28000": ["INVALID_CONFIGURATION", "the database refuses this user from here, or without TLS (sslmode)"],
  "3D000": ["INVALID_CONFIGURATION", "the database does not exist"],
  "55P03": ["CONFLICT", "another transaction holds a lock for too long"],
  "57014": ["DEADLINE_EXCEEDED", "the statement took too long"],
};

const byClass: Readonly<Record<string, readonly [Reason, string]>> = {
  "08": ["UNAVAILABLE", "the connection to the database was lost"],
  "22": ["INVALID_ARGUMENT", "a value is not one that the database can store"],
  "23": ["FAILED_PRECONDITION", "the rows would break a rule of the schema"],
  "28": ["INVALID_CONFIGURATION", "the database refuses the user or the password"],
  "40": ["CONFLICT", "another transaction was faster"],
  "53": ["RESOURCE_EXHAUSTED", "the database is at a limit of connections, memory or disk"],
  "57": ["UNAVAILABLE", "the database is starting, stopping or recovering"],
  "58": ["UNAVAILABLE", "the database can't use its files"],
  XX: ["INTERNAL", "the database reports an error of its own"],
};

/** What goes to the log: messages of data and constraint errors may quote values, so only their code is kept. */
function withoutValues(error: DatabaseError, sqlState: string): Error {
  const quotesValues = sqlState.startsWith("22") || sqlState.startsWith("23");
  const cause = new Error(quotesValues ? `SQLSTATE ${sqlState}` : `SQLSTATE ${sqlState}: ${error.message}`);
  if (error.stack !== undefined)
    cause.stack = `${cause.message}\n${error.stack
      .split("\n")
      .filter((line) => /^\s+at /.test(line))
      .join("\n")}`;
  return cause;
}
