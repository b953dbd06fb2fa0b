/** What is answered instead when a target can't: the section `fallback` of a policy. */
export interface FallbackOptions {
  /** Default true: where the contract has a fallback. */
  readonly enabled?: boolean;
  /** Older answers are not given again, in milliseconds. Default 300,000. */
  readonly maxAgeMs?: number;
  /** Memory for answers of one target, in bytes. Default 16 MiB. */
  readonly maxBytes?: number;
}

/** The defaults of {@link FallbackOptions}. */
export const fallbackDefaults: Required<FallbackOptions> = Object.freeze({
  enabled: true,
  maxAgeMs: 300_000,
  maxBytes: 16 * 1024 * 1024,
});
