import { backoffMs, type Code } from "@weft/kit";
import type { RetryOptions } from "./options.ts";

/** A try that failed, as far as it matters for another one. */
export interface FailedTry {
  /** `weft.user.v1.UserService/GetUser` */
  readonly method: string;
  readonly code: Code;
  /** The contract says that it does no harm to send it twice: no side effect, idempotent, or with a request id. */
  readonly isSafe: boolean;
  /** The target turned it down before any handler ran. */
  readonly isRefused: boolean;
  /** The wait that the target asked for, in milliseconds; a negative one asks not to try again (gRFC A6). */
  readonly pushBackMs?: number | undefined;
  /** Tries made so far, this one counted. */
  readonly tries: number;
  /** Milliseconds left until the deadline. */
  readonly remainingMs: number;
  /** The breaker would turn the next try down. */
  readonly isBreakerOpen: boolean;
}

/** Why a try is not made again. */
export type NoRetry =
  "code" | "unsafe" | "tries-spent" | "push-back" | "breaker-open" | "deadline" | "overloaded" | "budget-spent";

/** Whether to try again. */
export type RetryVerdict = { readonly waitMs: number } | { readonly no: NoRetry };

/**
 * Whether a failed try may be made again as far as the call itself goes, and after how many milliseconds.
 *
 * - T1 Only what is safe is sent again: what the target has not seen (it could not be reached) or seen and failed only
 *   where the contract allows it; what it turned down unseen, always.
 * - T2 Only `UNAVAILABLE` is, and `RESOURCE_EXHAUSTED` where the target turned the call down unseen: a quota that is
 *   spent stays spent.
 * - T3 Never more tries than `maxTries`, and none that would begin at the deadline or later.
 * - T4 Never sooner than the target asked for, and not at all where it asked for that (gRFC A6); jitter comes on top, or
 *   all who were turned down would come back as one.
 * - T5 None while the breaker is open.
 */
export function retryAfter(
  failed: FailedTry,
  options: Required<Pick<RetryOptions, "maxTries" | "initialBackoffMs" | "maxBackoffMs">>,
  random: () => number,
): RetryVerdict {
  const { code, pushBackMs = 0, tries } = failed;
  if (code !== "UNAVAILABLE" && !(code === "RESOURCE_EXHAUSTED" && failed.isRefused)) return { no: "code" };
  if (!failed.isSafe && !failed.isRefused) return { no: "unsafe" };
  if (tries >= options.maxTries) return { no: "tries-spent" };
  // Not `< 0`: what can't be read is no wish to be called again.
  if (!(pushBackMs >= 0)) return { no: "push-back" };
  if (failed.isBreakerOpen) return { no: "breaker-open" };
  const { initialBackoffMs: initialMs, maxBackoffMs: maxMs } = options;
  const waitMs = pushBackMs + backoffMs(tries, { initialMs, maxMs, random });
  return waitMs < failed.remainingMs ? { waitMs } : { no: "deadline" };
}
