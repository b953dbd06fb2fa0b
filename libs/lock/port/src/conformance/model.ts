import { setTimeout as sleep } from "node:timers/promises";
import { WeftError } from "@weft/kit";
import { acquireDefaults, type AcquireOptions, type Lease, type Locks } from "../index.ts";
import type { LockFixture } from "./fixture.ts";

const pollMs = 5;

/** The simplest locks that keep the laws, in one process: what mutants are made from. */
export function modelFixture(): LockFixture & {
  /** Frees a lock, whoever holds it. */
  forceRelease(name: string): void;
} {
  const store: ModelStore = { held: new Map(), token: 0n, reachable: true };
  const opened: ModelLocks[] = [];
  const open = (): ModelLocks => {
    const locks = new ModelLocks(store);
    opened.push(locks);
    return locks;
  };
  return {
    open: async () => open(),
    acquireElsewhere: async (name, options) => {
      const locks = open();
      if ((await locks.acquire(name, options)) === undefined) throw new Error("the lock is held");
      return { kill: async () => locks.die() };
    },
    cut: async () => {
      store.reachable = false;
      return { restore: async () => void (store.reachable = true) };
    },
    forceRelease: (name) => void store.held.delete(name),
    [Symbol.asyncDispose]: async () => {
      for (const locks of opened) await locks[Symbol.asyncDispose]();
    },
  };
}

interface ModelStore {
  readonly held: Map<string, { readonly token: bigint; expiresMs: number }>;
  token: bigint;
  reachable: boolean;
}

class ModelLocks implements Locks {
  readonly #store: ModelStore;
  readonly #leases = new Set<ModelLease>();

  constructor(store: ModelStore) {
    this.#store = store;
  }

  async acquire(name: string, options: AcquireOptions = {}): Promise<Lease | undefined> {
    const { ttlMs, waitMs } = acquireDefaults(name, options);
    const deadline = performance.now() + waitMs;
    for (;;) {
      if (options.signal?.aborted) throw WeftError.from(options.signal.reason);
      if (!this.#store.reachable) throw new WeftError("UNAVAILABLE", "the store can't be reached");
      if ((this.#store.held.get(name)?.expiresMs ?? 0) <= performance.now()) {
        const lease = new ModelLease(name, ttlMs, this.#store);
        this.#leases.add(lease);
        return lease;
      }
      if (performance.now() >= deadline) return undefined;
      await sleep(pollMs);
    }
  }

  /** Ends without a word. */
  die(): void {
    for (const lease of this.#leases) lease.stop();
    this.#leases.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lease of this.#leases) {
      if (lease.held) lease.lose();
      await lease.release();
    }
  }
}

class ModelLease implements Lease {
  readonly name: string;
  readonly token: bigint;
  readonly #store: ModelStore;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(name: string, ttlMs: number, store: ModelStore) {
    this.name = name;
    this.token = store.token += 1n;
    this.#store = store;
    const row = { token: this.token, expiresMs: performance.now() + ttlMs };
    store.held.set(name, row);
    this.#timer = setInterval(() => {
      if (!this.held || row.expiresMs - performance.now() < ttlMs / 5) this.lose();
      else if (store.reachable) row.expiresMs = performance.now() + ttlMs;
    }, ttlMs / 20);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get held(): boolean {
    return this.#store.held.get(this.name)?.token === this.token;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  lose(): void {
    this.stop();
    this.#lost.abort(new WeftError("LEASE_LOST", "the lease was lost"));
  }

  async release(): Promise<void> {
    this.stop();
    if (this.held) this.#store.held.delete(this.name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
