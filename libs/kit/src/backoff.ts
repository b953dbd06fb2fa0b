/** Growing waits between tries. */
export interface BackoffOptions {
  /** First wait in milliseconds. Default 100. */
  readonly initialMs?: number;
  /** Longest wait in milliseconds. Default 10,000. */
  readonly maxMs?: number;
  /** Growth from one wait to the next. Default 2. */
  readonly factor?: number;
  /** A number in [0, 1); default `Math.random`. */
  readonly random?: () => number;
}

/**
 * The wait before try number `attempt` (from 1), in milliseconds, with full jitter: uniform between 0 and the bound
 * that grows exponentially (AWS Architecture Blog, 'Exponential Backoff And Jitter', 2015).
 */
export function backoffMs(attempt: number, options: BackoffOptions = {}): number {
  const { initialMs = 100, maxMs = 10_000, factor = 2, random = Math.random } = options;
  const bound = Math.min(maxMs, initialMs * factor ** Math.min(attempt - 1, 60));
  return random() * bound;
}
