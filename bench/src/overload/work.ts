import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** Time on the processor for each call, in milliseconds of a quiet machine. */
export const workMs = 4;
/** Time that a call waits for somebody else, in milliseconds. */
export const waitMs = 20;

/** What a round hashes: small enough for a call to be many rounds. */
const block = Buffer.alloc(64 * 1024);
const slices = { count: 15, ms: 20 } as const;

/**
 * How many rounds take {@link workMs} on a quiet machine, by the best of several slices of time: what others take of
 * the processor slows the rest. A call is then the same work whatever else the machine does.
 */
export function roundsOfWork(): number {
  let bestPerMs = 0;
  for (let slice = 0; slice < slices.count; slice += 1) {
    const start = performance.now();
    let rounds = 0;
    let tookMs = 0;
    while (tookMs < slices.ms) {
      round();
      rounds += 1;
      tookMs = performance.now() - start;
    }
    bestPerMs = Math.max(bestPerMs, rounds / tookMs);
  }
  return Math.max(1, Math.round(workMs * bestPerMs));
}

/** What every server of the comparison does for a call; `rounds` is the argument of its script. */
export function workOf(rounds: string | undefined): () => Promise<void> {
  const count = Number(rounds);
  if (!(count >= 1)) throw new Error("the rounds of work are missing");
  return async () => {
    for (let done = 0; done < count; done += 1) round();
    await sleep(waitMs);
  };
}

function round(): void {
  createHash("sha256").update(block).digest();
}
