import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "@weft/rpc";
import { quantile } from "../result.ts";

type Priority = NonNullable<CallOptions["priority"]>;

/** How a call of the load went. */
export interface Sample {
  readonly priority: Priority;
  /** Since the start of its phase, in milliseconds. */
  readonly atMs: number;
  /** From when it should have been made to its end. */
  readonly tookMs: number;
  readonly ok: boolean;
}

/** One in twenty calls is critical, three are nobody's to wait for. */
function priorityOf(random: number): Priority {
  if (random < 0.05) return "critical";
  return random < 0.2 ? "batch" : "interactive";
}

/**
 * Calls that come at random (Poisson), so many a second on average, whether or not those before were answered: users
 * don't wait for each other.
 */
export async function load(
  call: (priority: Priority) => Promise<unknown>,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const running: Promise<void>[] = [];
  const start = performance.now();
  const one = async (atMs: number): Promise<void> => {
    const priority = priorityOf(Math.random());
    const ok = await call(priority).then(
      () => true,
      () => false,
    );
    samples.push({ priority, atMs, tookMs: performance.now() - start - atMs, ok });
  };
  for (let nextMs = 0; nextMs < seconds * 1_000;) {
    const nowMs = performance.now() - start;
    if (nextMs > nowMs) {
      await sleep(Math.max(1, nextMs - nowMs));
      continue;
    }
    running.push(one(nextMs));
    nextMs += (-Math.log(1 - Math.random()) * 1_000) / perSecond;
  }
  await Promise.all(running);
  return samples;
}

/** Answers a second. */
export function goodput(samples: readonly Sample[], seconds: number): number {
  return samples.filter(({ ok }) => ok).length / seconds;
}

/** Time that a share of the answered calls stayed below, in milliseconds. */
export function answeredWithin(samples: readonly Sample[], share: number): number {
  const times = samples.filter(({ ok }) => ok).map(({ tookMs }) => tookMs);
  return times.length === 0 ? Number.POSITIVE_INFINITY : quantile(times, share);
}

const sliceMs = 250;

/** Seconds until two slices in a row are as before: nearly all calls answered, half of them in the usual time; all of the time when that never comes. */
export function recovery(samples: readonly Sample[], normalMedianMs: number): number {
  let good = 0;
  const last = samples.reduce((most, { atMs }) => Math.max(most, atMs), 0);
  for (let fromMs = 0; fromMs + sliceMs <= last; fromMs += sliceMs) {
    const slice = samples.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + sliceMs);
    const answered = slice.filter(({ ok }) => ok).length;
    const isGood = answered >= 0.95 * slice.length && answeredWithin(slice, 0.5) <= 1.5 * normalMedianMs;
    good = isGood ? good + 1 : 0;
    if (good === 2) return (fromMs - sliceMs) / 1_000;
  }
  return last / 1_000;
}
