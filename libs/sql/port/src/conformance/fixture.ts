import type { SqlDatabase } from "../sql.ts";

/** Limits that the suite sets; the adapter's defaults hold for the others. */
export interface OpenOptions {
  readonly poolSize?: number;
  readonly acquireTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
}

/** An empty database. */
export interface SqlFixture extends AsyncDisposable {
  /** A handle of its own, as another process would open. Closed with the fixture. */
  open(options?: OpenOptions): Promise<SqlDatabase<unknown>>;
  /** Cuts the network to the server until the result is called: open connections break, new ones are refused. */
  cut(): Promise<() => Promise<void>>;
}
