const firstDelayMs = 200;
const lastDelayMs = 10_000;

/** How long to wait before a start that follows `crashes` others (from 0), in milliseconds: doubling up to 10 s. */
export function restartDelayMs(crashes: number): number {
  return Math.min(lastDelayMs, firstDelayMs * 2 ** Math.min(crashes, 20));
}
