import type { PubSub } from "../pubsub.ts";

/** One store of an adapter, and processes that use it. */
export interface PubSubFixture extends AsyncDisposable {
  /** A handle of its own, as another process has one. Disposed with the fixture. */
  open(): Promise<PubSub>;
  /** Ends a handle as `kill -9` ends its process: no goodbye, nothing written after it. */
  kill(pubsub: PubSub): Promise<void>;
}
