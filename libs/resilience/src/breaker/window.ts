/** Slots that the window is forgotten in. */
const slots = 10;

/** Share of the instances that suffices to keep a breaker closed, when they work. */
const wellShare = 0.2;

interface Tally {
  count: number;
  failed: number;
}

interface Slot {
  /** Number of the slot since the beginning of time. */
  readonly at: number;
  readonly all: Tally;
  readonly instances: Map<string, Tally>;
}

/**
 * The tries of the last while by instance, and whether the target as a whole fails. Memory is bound by the instances
 * called within the window.
 */
export class BreakerWindow {
  readonly #slotMs: number;
  #slots: Slot[] = [];

  constructor(windowMs: number) {
    this.#slotMs = Math.max(1, windowMs / slots);
  }

  add(nowMs: number, instance: string, isFailure: boolean): void {
    const { all, instances } = this.#slot(nowMs);
    count(all, isFailure);
    let tally = instances.get(instance);
    if (tally === undefined) {
      tally = { count: 0, failed: 0 };
      instances.set(instance, tally);
    }
    count(tally, isFailure);
  }

  /**
   * Whether enough tries failed, and not because of single instances: those are taken out by ejection, and a breaker
   * would turn down what the others can do. A fifth of the instances that work well (two tries or more, of which at most
   * half as many failed as would open the breaker) keep it closed.
   */
  isFailing(nowMs: number, { minimumCalls, failureShare }: { minimumCalls: number; failureShare: number }): boolean {
    this.#slot(nowMs);
    const all = { count: 0, failed: 0 };
    for (const slot of this.#slots) add(all, slot.all);
    if (all.count < minimumCalls || all.failed < all.count * failureShare) return false;

    const instances = new Map<string, Tally>();
    for (const slot of this.#slots) {
      for (const [id, tally] of slot.instances) {
        const sum = instances.get(id);
        if (sum === undefined) instances.set(id, { ...tally });
        else add(sum, tally);
      }
    }
    let well = 0;
    for (const { count, failed } of instances.values()) {
      if (count >= 2 && failed <= (count * failureShare) / 2) well += 1;
    }
    return well < instances.size * wellShare;
  }

  /** The slot of this moment; those that lie too far back are forgotten. */
  #slot(nowMs: number): Slot {
    const at = Math.floor(nowMs / this.#slotMs);
    const last = this.#slots.at(-1);
    if (last?.at === at) return last;
    const slot: Slot = { at, all: { count: 0, failed: 0 }, instances: new Map() };
    this.#slots = [...this.#slots.filter((other) => other.at > at - slots), slot];
    return slot;
  }
}

function count(tally: Tally, isFailure: boolean): void {
  tally.count += 1;
  if (isFailure) tally.failed += 1;
}

function add(sum: Tally, { count, failed }: Tally): void {
  sum.count += count;
  sum.failed += failed;
}
