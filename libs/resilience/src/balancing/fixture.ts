import type { Law } from "@weft/kit/testing";
import { Endpoint, type EndpointFacts, type Outcome } from "./endpoint.ts";
import { balancingDefaults } from "./options.ts";
import { type Usual, UsualTimes } from "./usual.ts";

/** What laws are held against: something that needs no closing. */
export interface Subject<T> extends AsyncDisposable {
  readonly subject: T;
}

/** Opens `subject` for a law. */
export function subjectOf<T>(subject: T): () => Promise<Subject<T>> {
  return async () => ({ subject, [Symbol.asyncDispose]: async () => undefined });
}

/** A law that is looked at in one go. What crashes is told as that, and not as a law that does not hold. */
export function law<T>(title: string, check: (subject: T) => void): Law<Subject<T>> {
  return {
    title,
    run: async ({ subject }) => {
      try {
        check(subject);
      } catch (error) {
        // fast-check wraps what a property throws.
        const cause = error instanceof Error ? error.cause : undefined;
        throw cause instanceof TypeError || cause instanceof ReferenceError ? cause : error;
      }
    },
  };
}

/** Mulberry32: chance that comes out the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Facts of an instance of which only what is given matters. */
export function factsOf(id: string, facts: Partial<EndpointFacts> = {}): EndpointFacts {
  return { id, address: `${id}:1`, weight: 1, ...facts };
}

/** As many endpoints as weights, listed at time 0. */
export function endpointsOf(weights: readonly number[]): Endpoint[] {
  return weights.map((weight, at) => new Endpoint(factsOf(`instance-${at}`, { weight }), 0));
}

/** A call that ran there. */
export function call(endpoint: Endpoint, fromMs: number, tookMs: number, outcome: Outcome = "ok", usual?: Usual): void {
  endpoint.begin(false, fromMs, usual);
  endpoint.end(outcome, tookMs, fromMs + tookMs, balancingDefaults.latencyDecayMs, usual);
}

/** Methods that usually take so many milliseconds. */
export function usualTimes(...eachMs: readonly number[]): Usual[] {
  const times = new UsualTimes();
  const methods = eachMs.map((_, at) => times.of(`Method${at}`));
  for (let turn = 0; turn < 200; turn += 1) methods.forEach((usual, at) => usual.add(eachMs[at] ?? 0));
  return methods;
}

/** How often each came. */
export function countOf<T>(times: number, one: () => T): Map<T, number> {
  const counts = new Map<T, number>();
  for (let turn = 0; turn < times; turn += 1) {
    const value = one();
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

/** Whether a count is what chance leaves of a share, within six standard deviations: one run in 500 million is outside. */
export function isLikely(count: number, share: number, times: number): boolean {
  return Math.abs(count - share * times) <= 6 * Math.sqrt(share * (1 - share) * times) + 1e-9;
}
