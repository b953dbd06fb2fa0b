import type { Discovery, Instance, RegisterOptions } from "../index.ts";

/** One registry, made for one test. */
export interface DiscoveryFixture extends AsyncDisposable {
  /** Another handle on it, as another process would have. The fixture disposes what the test leaves open. */
  open(): Promise<Discovery>;
  /** Registers in a process of its own, which `kill` ends without a word. */
  registerElsewhere(instance: Instance, options?: RegisterOptions): Promise<{ kill(): Promise<void> }>;
  /** Makes the registry unreachable for everybody, until `restore`. */
  cut(): Promise<{ restore(): Promise<void> }>;
}
