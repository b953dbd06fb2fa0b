import type { StatusObject } from "@grpc/grpc-js";
import { isWeftError, type WeftError } from "@weft/kit";
import type { Outcome } from "@weft/resilience";
import { isRefusal } from "../wire/status.ts";
import { cutDetails } from "./link.ts";

/** A try that did not go well, and how long it ran. */
export interface FailedCall {
  readonly error: WeftError;
  readonly status: StatusObject;
  readonly tookMs: number;
  /** What the contract grants the method, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * What a failure says of the instance that it came from. Errors of the caller's making (a bad request, no permission,
 * nothing found, a lost race) are answers as any other. A deadline that passed is the instance's doing only if it had at
 * least half of the time that the contract grants.
 */
export function outcomeOf({ error, status, tookMs, timeoutMs }: FailedCall): Outcome {
  switch (error.code) {
    case "UNAVAILABLE":
      if (status.details === cutDetails) return "cancelled";
      return isRefusal(status) ? "refused" : "failure";
    case "RESOURCE_EXHAUSTED":
      // A quota of the caller's that is spent says nothing of who keeps it.
      return isRefusal(status) ? "refused" : "ok";
    case "CANCELLED":
      return "cancelled";
    case "DEADLINE_EXCEEDED":
      return wasGivenTime(tookMs, timeoutMs) ? "failure" : "cancelled";
    case "INTERNAL":
    case "UNKNOWN":
    case "DATA_LOSS":
      return "failure";
    default:
      return "ok";
  }
}

/** Whether who did not answer by then had its chance. */
export function wasGivenTime(tookMs: number, timeoutMs: number): boolean {
  return tookMs * 2 >= timeoutMs;
}

/** Whether a server turned the call down as it has too much to do. */
export function isTooBusy(error: WeftError, status: StatusObject): boolean {
  return isWeftError(error, "RESOURCE_EXHAUSTED") && isRefusal(status);
}
