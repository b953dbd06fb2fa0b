import { errorCode, type Reason, WeftError } from "@weft/kit";

/**
 * Anything that ioredis or a Redis server answers, as a WeftError. Total: a WeftError stays as it is, what is not known
 * is `INTERNAL`.
 *
 * The first word of a server's error says what it is (https://redis.io/docs/latest/develop/reference/protocol-spec,
 * 'Simple errors'); before Redis 7 an error inside a script has it further behind. ioredis puts the command with its
 * arguments on the error, values and passwords among them, so the cause is a copy without it.
 */
export function redisError(error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  if (!(error instanceof Error)) return WeftError.from(error);
  const word = knownWords.exec(error.message)?.[1];
  const row = word === undefined ? clientRow(error) : byWord[word];
  if (row === undefined) return new WeftError("INTERNAL", "a command of Redis failed", { cause: bare(error) });
  const [reason, message] = row;
  return new WeftError(reason, message, { cause: bare(error) });
}

/** Whether this is what became of NOSCRIPT: the server does not know a script (any more), and nothing of it was run. */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof WeftError && error.cause instanceof Error && error.cause.message.startsWith("NOSCRIPT");
}

/** Whether the server is a replica now: a new connection may lead to the primary. */
export function isReplica(error: Error): boolean {
  return error.message.startsWith("READONLY");
}

/** A copy with nothing but message and stack. */
export function bare(error: Error): Error {
  const copy = new Error(error.message);
  copy.name = error.name;
  if (error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

type Row = readonly [reason: Reason, message: string];

const refused: Row = ["INVALID_CONFIGURATION", "Redis refuses the user or the password, or what the user may do"];
const cluster: Row = ["UNAVAILABLE", "the Redis cluster is moving or missing the keys"];
const elsewhere: Row = ["INVALID_CONFIGURATION", "this Redis is part of a cluster: its URL needs cluster=true"];

const byWord: Readonly<Record<string, Row>> = {
  OOM: ["RESOURCE_EXHAUSTED", "Redis is at the limit of its memory"],
  "ERR max number of clients": ["RESOURCE_EXHAUSTED", "Redis is at the limit of its connections"],
  LOADING: ["UNAVAILABLE", "Redis is loading its data"],
  BUSY: ["UNAVAILABLE", "Redis is busy with a script"],
  READONLY: ["UNAVAILABLE", "this Redis is a replica now"],
  MASTERDOWN: ["UNAVAILABLE", "this Redis has lost its primary"],
  NOREPLICAS: ["UNAVAILABLE", "Redis has too few replicas to accept writes"],
  MISCONF: ["UNAVAILABLE", "Redis can't write to its disk, and so accepts no writes"],
  NOSCRIPT: ["UNAVAILABLE", "Redis forgot a script while it was sent"],
  UNBLOCKED: ["UNAVAILABLE", "Redis changed its role"],
  CLUSTERDOWN: cluster,
  TRYAGAIN: cluster,
  "Too many Cluster redirections": cluster,
  MOVED: elsewhere,
  ASK: elsewhere,
  NOAUTH: refused,
  WRONGPASS: refused,
  NOPERM: refused,
  "ERR invalid password": refused,
  "ERR DB index": ["INVALID_CONFIGURATION", "Redis has no database of this number"],
  WRONGTYPE: ["DATA_LOSS", "something else was stored in the place of a value"],
};

const knownWords = new RegExp(`(?:^|[ -]-)(${Object.keys(byWord).join("|")})\\b`);

const lost: Row = ["UNAVAILABLE", "Redis can't be reached"];

const networkCodes =
  /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_|EHOST|ENET|EADDR|ERR_STREAM|ERR_SSL|ERR_TLS|CERT_|UNABLE_|DEPTH_ZERO|SELF_SIGNED)/;

/** What the client says itself, without a code: of ioredis 6 (Redis.js, Command.js, event_handler.js, cluster/index.js). */
const lostConnection =
  /^(Connection is closed|Reached the max retries per request|Command aborted|Stream isn't writeable|Socket timeout|Cluster is|Cluster isn't|None of startup nodes|Failed to refresh slots cache|Connection is discarded|Connection is aborted|Protocol error)/;

function clientRow(error: Error): Row | undefined {
  if (error.message === "Command timed out") return ["DEADLINE_EXCEEDED", "Redis did not answer in time"];
  return networkCodes.test(errorCode(error) ?? "") || lostConnection.test(error.message) ? lost : undefined;
}
