import type { AcquireOptions, Locks } from "../index.ts";

/** One store of locks, made for one test. */
export interface LockFixture extends AsyncDisposable {
  /** Another handle on it, as another process would have. The fixture disposes what the test leaves open. */
  open(): Promise<Locks>;
  /** Acquires in a process of its own, which `kill` ends without a word. Rejects if the lock is held. */
  acquireElsewhere(name: string, options?: AcquireOptions): Promise<{ kill(): Promise<void> }>;
  /** Makes the store unreachable for everybody, until `restore`. */
  cut(): Promise<{ restore(): Promise<void> }>;
}
