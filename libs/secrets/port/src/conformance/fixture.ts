import type { SecretStore } from "../index.ts";

/** One store of secrets, made for one test. */
export interface SecretsFixture extends AsyncDisposable {
  /** The store; the same one each time. */
  readonly store: SecretStore;
  /** Puts a secret where the store finds it, as an operator would; undefined takes it away. Names: a-z, 0-9 and `-`. */
  put(name: string, value: string | undefined): Promise<void>;
}
