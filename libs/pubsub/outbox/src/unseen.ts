/** Ids from `low` to `high`, both included. */
export interface IdRange {
  readonly low: bigint;
  readonly high: bigint;
}

/** Ids that were drawn and not seen. */
interface Gap extends IdRange {
  /** Who may yet commit one of them. Empty: nobody, so the next read tells whether any is there. */
  readonly writers: ReadonlySet<string>;
}

/** What a turn has found out. */
export interface Findings {
  /** The ids that were read, in order. */
  readonly seen: readonly bigint[];
  /** Whether there were no more to read. */
  readonly isComplete: boolean;
  /** Every transaction that, after the read, held the lock that it takes before it draws an id. */
  readonly writers: ReadonlySet<string>;
}

/** The largest id, a bigint's. */
const lastId = 2n ** 63n - 1n;
/** All ids. */
export const everything: readonly IdRange[] = [{ low: -(2n ** 63n), high: lastId }];

/**
 * Where rows may turn up that were not read yet: above the highest id that was seen, and in the gaps below it. A gap is
 * an id whose transaction is open or has rolled back. A transaction draws its ids under the table's lock and holds that
 * to its end: when all that held the lock when a gap was noticed have ended, and a read after that does not find it, then
 * it never comes.
 *
 * Why not read all there is: a transaction that stays open anywhere keeps deleted rows from being vacuumed, so each read
 * from the first id on would walk over all that were published since it began.
 */
export class Unseen {
  readonly #maxGaps: number;
  /** In order, each below `#next`. */
  #gaps: readonly Gap[] = [];
  /** One above the highest id that was seen. */
  #next = 0n;

  /** @param maxGaps how many gaps are told apart; behind the last one everything is read. Default 500 */
  constructor(maxGaps = 500) {
    this.#maxGaps = maxGaps;
  }

  get hasGaps(): boolean {
    return this.#gaps.length > 0;
  }

  /** Where to read, in order. */
  get ranges(): readonly IdRange[] {
    return [...this.#gaps, { low: this.#next, high: lastId }];
  }

  /** Takes in what a read of all {@link ranges}, or of more, has found. */
  found({ seen, isComplete, writers }: Findings): void {
    const end = isComplete ? lastId : (seen.at(-1) ?? -lastId);
    const highest = seen.at(-1) ?? -lastId;
    const known = this.#gaps.map((gap) => ({ ...gap, isOver: gap.writers.size === 0 && gap.high <= end }));
    const fresh = highest < this.#next ? [] : [{ low: this.#next, high: highest, writers, isOver: false }];
    const stillHolding = intersectionWith(writers);
    const gaps: Gap[] = [];
    let at = 0;
    for (const { low, high, isOver, ...gap } of [...known, ...fresh]) {
      let from = low;
      const stillOpen = stillHolding(gap.writers);
      const keep = (last: bigint): void => {
        if (!isOver && from <= last) gaps.push({ low: from, high: last, writers: stillOpen });
      };
      for (let id = seen[at]; id !== undefined && id <= high; id = seen[(at += 1)]) {
        if (id < low) continue;
        keep(id - 1n);
        from = id + 1n;
      }
      keep(high);
    }
    if (highest >= this.#next) this.#next = highest + 1n;
    const tooMany = gaps[this.#maxGaps];
    if (tooMany !== undefined) this.#next = tooMany.low;
    this.#gaps = gaps.slice(0, this.#maxGaps);
  }
}

/** Gaps that were noticed together share their writers, before and after. */
function intersectionWith(writers: ReadonlySet<string>): (before: ReadonlySet<string>) => ReadonlySet<string> {
  const results = new Map<ReadonlySet<string>, ReadonlySet<string>>([[writers, writers]]);
  return (before) => {
    const result = results.get(before) ?? new Set([...before].filter((writer) => writers.has(writer)));
    results.set(before, result);
    return result;
  };
}
