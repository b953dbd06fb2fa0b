/** Numbers that look random and are the same for the same seed: mulberry32, which is enough to choose faults by. */
export class Random {
  #state: number;

  constructor(...seeds: readonly number[]) {
    // Seeds that lie close together are to give sequences that have nothing in common.
    this.#state = seeds.reduce((state, seed) => Math.imul(state ^ seed, 0x9e3779b1) ^ (state >>> 15), 0x6d2b79f5);
  }

  /** From 0, under 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** Whether something happens that does so in `part` of all cases. */
  chance(part: number): boolean {
    return this.next() < part;
  }

  /** One of them, each as likely as its weight says. Not for an empty list. */
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T {
    let rest = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, choice] of choices) {
      rest -= weight;
      if (rest < 0) return choice;
    }
    const last = choices.at(-1);
    if (last === undefined) throw new Error("nothing to choose from");
    return last[1];
  }

  /** One of them, each as likely as any other. Not for an empty list. */
  pick<T>(choices: readonly T[]): T {
    return this.weighted(choices.map((choice) => [1, choice] as const));
  }
}
