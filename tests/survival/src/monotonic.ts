/** Milliseconds on the machine's monotonic clock: the same for all of its processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
