import { backoffMs, type Clock, WeftError } from "@weft/kit";
import { type Failed, failureOf } from "./failed.ts";
import type { Delivery, FailurePolicy } from "./pubsub.ts";
import { TriedTooLong } from "./time-limit.ts";

/** A failure policy with every default filled in. */
export type CompleteFailurePolicy = Required<FailurePolicy>;

/** Longest pause of a partition between two tries of a transient failure, in milliseconds. */
const maxPauseMs = 5000;
/** Longer than any log keeps what waits. */
const maxRetryDelayMs = 30 * 24 * 3_600_000;

/** Fills in the defaults of a {@link FailurePolicy}. */
export function completeFailurePolicy(policy: FailurePolicy = {}): CompleteFailurePolicy {
  const { immediateAttempts = 3, retryDelaysMs = [1000, 10_000, 60_000] } = policy;
  if (!Number.isInteger(immediateAttempts) || immediateAttempts < 1) {
    throw new WeftError("INVALID_ARGUMENT", "immediateAttempts must be a whole number from 1");
  }
  if (retryDelaysMs.some((delay) => !(delay >= 0 && delay <= maxRetryDelayMs))) {
    throw new WeftError("INVALID_ARGUMENT", "retryDelaysMs are numbers from 0 to those of 30 days");
  }
  return { immediateAttempts, retryDelaysMs };
}

/** What an adapter does after a try. Whatever it writes, it writes before it moves the committed offset on. */
export type Outcome =
  /** Commit. */
  | { readonly kind: "handled" }
  /** Nobody is to know of this try: the process stops or lost the partition. */
  | { readonly kind: "abandoned" }
  /** Transient: hold the partition, and try again after {@link pauseMs}. */
  | { readonly kind: "paused"; readonly error: WeftError }
  /** Store in the group's retry topic until `failed.due`, then commit. */
  | { readonly kind: "retry"; readonly failed: Failed }
  /** Store in the group's dead letters, then commit. */
  | { readonly kind: "dead"; readonly failed: Failed };

export interface AttemptOptions {
  readonly handle: (delivery: Delivery, signal: AbortSignal) => Promise<void>;
  readonly policy: CompleteFailurePolicy;
  /** What the record of the retry topic says, when the delivery comes from there. */
  readonly earlier?: Failed;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random?: () => number;
}

/**
 * One stay of a delivery in a handler: all immediate tries for one that comes from its partition, a single try for one
 * that comes from the retry topic. Never rejects.
 */
export async function attempt(delivery: Delivery, options: AttemptOptions): Promise<Outcome> {
  const { handle, policy, earlier, signal, clock } = options;
  const tries = earlier === undefined ? policy.immediateAttempts : 1;
  const before = earlier?.attempts ?? 0;
  for (let number = 1; ; number += 1) {
    try {
      await handle({ ...delivery, attempt: before + number }, signal);
      return { kind: "handled" };
    } catch (cause) {
      if (signal.aborted) return { kind: "abandoned" };
      // It has held its partition for long enough.
      if (cause instanceof TriedTooLong) return giveUp(before + number, cause);
      if (cause instanceof WeftError && cause.retryable) return { kind: "paused", error: cause };
      if (number >= tries) return giveUp(before + number, cause);
    }
    try {
      await clock.sleep(backoffMs(number, { initialMs: 20, maxMs: 500, ...pick(options.random) }), signal);
    } catch {
      return { kind: "abandoned" };
    }
  }

  function giveUp(attempts: number, cause: unknown): Outcome {
    const round = earlier?.round ?? 0;
    // Whole milliseconds are what is written down.
    const time = Math.round(clock.now());
    const delayMs = policy.retryDelaysMs[round];
    const due = time + Math.round(delayMs ?? 0);
    const failed = { delivery, ...failureOf(cause), attempts, round: round + 1, time, due };
    return delayMs === undefined ? { kind: "dead", failed } : { kind: "retry", failed };
  }
}

/** How long to hold a partition before try number `count` (from 1) after a transient failure, in milliseconds. */
export function pauseMs(count: number, error: WeftError, random: () => number = Math.random): number {
  // Not under half of the bound: full jitter could hammer a target that is down.
  const bound = backoffMs(count, { initialMs: 100, maxMs: maxPauseMs, random: () => 1 });
  return Math.min(maxPauseMs, Math.max(error.retryAfterMs ?? 0, bound * (0.5 + random() / 2)));
}

function pick(random: (() => number) | undefined): { random?: () => number } {
  return random === undefined ? {} : { random };
}
