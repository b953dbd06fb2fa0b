import { errors } from "@elastic/elasticsearch";
import { type Reason, WeftError } from "@weft/kit";

/** What Elasticsearch says of a request, or of one item of a bulk, that it did not carry out. */
export interface Failure {
  /** HTTP status. */
  readonly status: number;
  /** `es_rejected_execution_exception` … */
  readonly type: string;
  readonly detail: string;
}

/** A disk over its flood stage: Elasticsearch lets nothing but deletions of indexes through until there is room. */
const fullDisk = /\/12\/|read-only-allow-delete/;

/** What `PUT /index/_block/write` sets, at first as a block that is not everywhere yet. */
const writeBlock = /FORBIDDEN\/8\//;

/**
 * The reason for a failure. What is wrong with the server is `UNAVAILABLE`, what is too much for it
 * `RESOURCE_EXHAUSTED`; a page token names a point in time, so a lost one is `INVALID_PAGE_TOKEN`; refused credentials
 * are `INVALID_CONFIGURATION`, since they are this process's and not its caller's. A request that is refused otherwise
 * was made wrong here: `INTERNAL`.
 */
export function reasonOf({ status, type, detail }: Failure): Reason {
  switch (type) {
    case "index_not_found_exception":
      return "NOT_FOUND";
    case "resource_already_exists_exception":
      return "ALREADY_EXISTS";
    case "version_conflict_engine_exception":
      return "CONFLICT";
    case "search_context_missing_exception":
      return "INVALID_PAGE_TOKEN";
    case "too_many_nested_clauses":
    case "too_many_clauses":
      return "INVALID_ARGUMENT";
    case "circuit_breaking_exception":
      return "RESOURCE_EXHAUSTED";
    case "cluster_block_exception":
      if (fullDisk.test(detail)) return "RESOURCE_EXHAUSTED";
      return status === 403 ? "FAILED_PRECONDITION" : "UNAVAILABLE";
  }
  switch (status) {
    case 401:
    case 403:
      return "INVALID_CONFIGURATION";
    case 404:
      return "NOT_FOUND";
    case 408:
    case 504:
      return "DEADLINE_EXCEEDED";
    case 413:
      return "PAYLOAD_TOO_LARGE";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 502:
    case 503:
      return "UNAVAILABLE";
  }
  return status >= 500 ? "UNKNOWN" : "INTERNAL";
}

/** Whether it was turned away before anything was done, and may be taken a moment later. */
export function isPassing(failure: Failure): boolean {
  const reason = reasonOf(failure);
  // Room on a disk is not made in a moment.
  return (reason === "RESOURCE_EXHAUSTED" && failure.type !== "cluster_block_exception") || reason === "UNAVAILABLE";
}

/** The error for a failure. Its message holds nothing of a document: Elasticsearch's own text is the cause. */
export function failureError(failure: Failure): WeftError {
  const { status, type, detail } = failure;
  const full = type === "cluster_block_exception" && fullDisk.test(detail);
  const message = full ? "Elasticsearch has no room left on its disk" : `Elasticsearch answered ${status} (${type})`;
  return new WeftError(reasonOf(failure), message, { cause: new Error(detail) });
}

/** Whether it is the error for an index that takes no changes since another is about to take its place. */
export function isWriteBlock(error: WeftError): boolean {
  return error.cause instanceof Error && writeBlock.test(error.cause.message);
}

/** Every error of the client as a WeftError. */
export function toWeftError(error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  if (error instanceof errors.ResponseError) return failureError(readFailure(error));
  if (error instanceof errors.TimeoutError) {
    return new WeftError("DEADLINE_EXCEEDED", "Elasticsearch did not answer in time", { cause: error });
  }
  if (error instanceof errors.RequestAbortedError) {
    return new WeftError("CANCELLED", "the request was given up", { cause: error });
  }
  if (error instanceof errors.ProductNotSupportedError) {
    return new WeftError("UNAVAILABLE", "what answers at that address is not Elasticsearch", { cause: error });
  }
  if (
    error instanceof errors.ConnectionError ||
    error instanceof errors.NoLivingConnectionsError ||
    // An answer that breaks off in the middle.
    error instanceof errors.DeserializationError
  ) {
    return new WeftError("UNAVAILABLE", "Elasticsearch can't be reached", { cause: error });
  }
  return WeftError.from(error);
}

/** Whether the request can't have reached a server. */
export function wasNotSent(error: unknown): boolean {
  if (error instanceof errors.NoLivingConnectionsError) return true;
  if (!(error instanceof errors.ConnectionError)) return false;
  const text = `${error.message} ${String(error.cause)}`;
  return /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|Connect Timeout/i.test(text);
}

/** What the answer with an error status says; of a search, what its first shard says. */
export function readFailure(error: InstanceType<typeof errors.ResponseError>): Failure {
  const status = error.statusCode ?? 500;
  const body: unknown = error.body;
  const outer = read(read(body, "error"), undefined);
  const [root] = list(read(outer, "root_cause"));
  const type = [read(root, "type"), read(outer, "type")].find((text) => typeof text === "string");
  const detail = [read(root, "reason"), read(outer, "reason"), outer].find((text) => typeof text === "string");
  return { status, type: type ?? "no explanation", detail: detail ?? error.message };
}

function read(value: unknown, key: string | undefined): unknown {
  if (key === undefined) return value;
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
