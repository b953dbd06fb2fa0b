import type { ConfigurationStore } from "../index.ts";

/** One store of settings, made for one test. */
export interface ConfigurationFixture extends AsyncDisposable {
  /** Another handle on it, as another process would have. The fixture disposes what the test leaves open. */
  open(): Promise<ConfigurationStore>;
  /** Sets a key in a process of its own, which is killed right after. */
  setElsewhere(key: string, value: string): Promise<void>;
  /** Makes the store unreachable for everybody, until `restore`. */
  cut(): Promise<{ restore(): Promise<void> }>;
}
