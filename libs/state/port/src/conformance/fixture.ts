import type { StateStore } from "../state.ts";

/** One store of an adapter, and processes that use it. */
export interface StateFixture extends AsyncDisposable {
  /** A handle of its own, as another process has one. Disposed with the fixture. */
  open(): Promise<StateStore>;
  /** Ends a handle as `kill -9` ends its process. */
  kill(store: StateStore): Promise<void>;
  /** Lets the time pass by which the store expires entries. */
  pass(ms: number): Promise<void>;
}
