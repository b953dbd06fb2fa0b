/** Where a process dies: at its write with this number, from 0. */
export interface Death {
  readonly write: number;
  /** Before the write is sent; while it is carried out, where it can be undone then; or after it, with nobody knowing. */
  readonly when: "before" | "during" | "after";
}

/** The end of a process, as whoever called it sees it. */
export class Killed extends Error {
  constructor() {
    super("killed");
  }
}

export interface LifeOptions {
  /** Which of two members of the group it is. */
  readonly member: 0 | 1;
  readonly death?: Death;
  /** Turns of the event loop that it waits at each of its steps, so that another one comes between. */
  readonly pauses?: readonly number[];
}

/** One process while it handles one event: it is slow or fast as a seed says, and may die. The dead do nothing more. */
export class Life {
  readonly member: 0 | 1;
  readonly #death: Death | undefined;
  readonly #pauses: number[];
  #writes = 0;
  #isDead = false;
  #diesDuringThis = false;

  constructor({ member, death, pauses = [] }: LifeOptions) {
    this.member = member;
    this.#death = death;
    this.#pauses = [...pauses];
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  async read<T>(call: () => Promise<T>): Promise<T> {
    await this.pause();
    this.#checkAlive();
    return call();
  }

  /** A call that changes something as a whole. */
  async write<T>(call: () => Promise<T>): Promise<T> {
    await this.pause();
    this.#checkAlive();
    const death = this.#writes === this.#death?.write ? this.#death.when : undefined;
    this.#writes += 1;
    if (death === "before") this.#die();
    this.#diesDuringThis = death === "during";
    const result = await call();
    if (death !== undefined) this.#die();
    return result;
  }

  /** For the inside of a `write` that is undone when it throws. */
  async middle(): Promise<void> {
    await this.pause();
    if (this.#diesDuringThis) this.#die();
  }

  async pause(): Promise<void> {
    for (let turns = this.#pauses.shift() ?? 0; turns > 0; turns -= 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #checkAlive(): void {
    if (this.#isDead) throw new Killed();
  }

  #die(): never {
    this.#isDead = true;
    throw new Killed();
  }
}

/** A store as a process has it that may die: its methods with these names are writes, all others reads. */
export function lived<T extends object>(store: T, life: Life, writes: readonly (keyof T)[]): T {
  const isWrite = new Set<string | symbol | number>(writes);
  return new Proxy(store, {
    get(target, name) {
      const own: unknown = Reflect.get(target, name, target);
      if (typeof own !== "function") return own;
      const call = async (...given: readonly unknown[]): Promise<unknown> => Reflect.apply(own, target, given);
      return (...given: readonly unknown[]) =>
        isWrite.has(name) ? life.write(() => call(...given)) : life.read(() => call(...given));
    },
  });
}
