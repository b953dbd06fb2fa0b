/** When failed calls are made again: the section `retry` of a policy. */
export interface RetryOptions {
  /** Tries in all, the first one counted; 1 turns retries off. Default 3. */
  readonly maxTries?: number;
  /** Bound of the wait before the first retry, in milliseconds; it doubles with each further one. Default 50. */
  readonly initialBackoffMs?: number;
  /** Longest wait, in milliseconds; a target that asks for a longer one gets it. Default 1,000. */
  readonly maxBackoffMs?: number;
  /** Retries for each call. Default 0.1. */
  readonly budgetShare?: number;
  /** Retries that are there from the start. Default 10. */
  readonly budgetBurst?: number;
  /** Retries for each second, however few calls there are. Default 1. */
  readonly budgetPerSecond?: number;
  /** Nothing is tried again while the target turns down more than this share of tries as too busy. Default 0.5. */
  readonly overloadShare?: number;
}

/** The defaults of {@link RetryOptions}. */
export const retryDefaults: Required<RetryOptions> = Object.freeze({
  maxTries: 3,
  initialBackoffMs: 50,
  maxBackoffMs: 1_000,
  budgetShare: 0.1,
  budgetBurst: 10,
  budgetPerSecond: 1,
  overloadShare: 0.5,
});
