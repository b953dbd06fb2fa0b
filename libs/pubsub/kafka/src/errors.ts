import { isWeftError, type Reason, WeftError } from "@weft/kit";

/** By the protocol's name of an error (https://kafka.apache.org/protocol#protocol_error_codes), where it is not `UNAVAILABLE`. */
const reasonOfType: Readonly<Record<string, Reason>> = {
  CLUSTER_AUTHORIZATION_FAILED: "PERMISSION_DENIED",
  GROUP_AUTHORIZATION_FAILED: "PERMISSION_DENIED",
  TOPIC_AUTHORIZATION_FAILED: "PERMISSION_DENIED",
  SASL_AUTHENTICATION_FAILED: "INVALID_CONFIGURATION",
  UNSUPPORTED_SASL_MECHANISM: "INVALID_CONFIGURATION",
  SECURITY_DISABLED: "INVALID_CONFIGURATION",
  INVALID_REPLICATION_FACTOR: "INVALID_CONFIGURATION",
  INVALID_SESSION_TIMEOUT: "INVALID_CONFIGURATION",
  INVALID_CONFIG: "INVALID_CONFIGURATION",
  INCONSISTENT_GROUP_PROTOCOL: "INVALID_CONFIGURATION",
  UNSUPPORTED_VERSION: "INVALID_CONFIGURATION",
  UNSUPPORTED_COMPRESSION_TYPE: "INVALID_CONFIGURATION",
  POLICY_VIOLATION: "INVALID_CONFIGURATION",
  MESSAGE_TOO_LARGE: "PAYLOAD_TOO_LARGE",
  RECORD_LIST_TOO_LARGE: "PAYLOAD_TOO_LARGE",
  INVALID_TOPIC_EXCEPTION: "INVALID_ARGUMENT",
  INVALID_PARTITIONS: "INVALID_ARGUMENT",
  INVALID_GROUP_ID: "INVALID_ARGUMENT",
  INVALID_RECORD: "INVALID_ARGUMENT",
  GROUP_MAX_SIZE_REACHED: "RESOURCE_EXHAUSTED",
  THROTTLING_QUOTA_EXCEEDED: "RESOURCE_EXHAUSTED",
  REQUEST_TIMED_OUT: "DEADLINE_EXCEEDED",
  CORRUPT_MESSAGE: "DATA_LOSS",
};

/** By the name that kafkajs gives an error which is none of the protocol's. */
const reasonOfName: Readonly<Record<string, Reason>> = {
  KafkaJSServerDoesNotSupportApiKey: "INVALID_CONFIGURATION",
  KafkaJSNotImplemented: "INVALID_CONFIGURATION",
  KafkaJSRequestTimeoutError: "DEADLINE_EXCEEDED",
};

/**
 * Whatever kafkajs throws, as a WeftError. Rules: what the broker refuses for good keeps its meaning; bugs of ours stay
 * `INTERNAL`; all the rest, known to kafkajs or not, is weather and therefore `UNAVAILABLE` or `DEADLINE_EXCEEDED`.
 */
export function toWeftError(error: unknown, what: string): WeftError {
  if (isWeftError(error)) return error;
  const causes = [...chain(error)];
  const type = causes.map(typeOf).find((found) => found !== undefined);
  const named = causes
    .map((found) => loginReason(found) ?? reasonOfName[found.name])
    .find((found) => found !== undefined);
  const bug = causes.some(({ name }) => ["TypeError", "RangeError", "ReferenceError"].includes(name));
  const reason = (type === undefined ? undefined : reasonOfType[type]) ?? named ?? (bug ? "INTERNAL" : "UNAVAILABLE");
  const why = type ?? causes.at(-1)?.message ?? "for no reason that it gives";
  return new WeftError(reason, `kafka: ${what} failed: ${why}`, { cause: error });
}

/** kafkajs tells of a connection that broke during the login as of a bad login, and keeps of the cause only its words. */
function loginReason({ name, message }: Error): Reason | undefined {
  if (name !== "KafkaJSSASLAuthenticationError") return undefined;
  const broken = /closed connection|connection closed|connection error|connection timeout|not connected|timed out/i;
  return broken.test(message) ? "UNAVAILABLE" : "INVALID_CONFIGURATION";
}

/** The protocol's name of an error, wherever kafkajs has wrapped it: `UNKNOWN_MEMBER_ID`. */
export function protocolType(error: unknown): string | undefined {
  return [...chain(error)].map(typeOf).find((type) => type !== undefined);
}

function* chain(error: unknown): Generator<Error> {
  let current = error;
  // Bounded, because a cause may be its own.
  for (let depth = 0; depth < 8 && current instanceof Error; depth += 1) {
    yield current;
    const [first]: unknown[] = "errors" in current && Array.isArray(current.errors) ? current.errors : [];
    current = current.cause ?? first;
  }
}

function typeOf(error: Error): string | undefined {
  return "type" in error && typeof error.type === "string" ? error.type : undefined;
}
