import { status } from "@grpc/grpc-js";
import type { Code } from "@weft/kit";

const names: readonly (Code | "OK" | undefined)[] = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** The number of a code on the wire. */
export function codeNumber(code: Code): number {
  return status[code];
}

/** The code of a number on the wire; `UNKNOWN` for one that gRPC does not define. */
export function codeName(number: number): Code {
  const name = names[number];
  return name === undefined || name === "OK" ? "UNKNOWN" : name;
}
