import { type Clock, type Log, type Secret, WeftError } from "@weft/kit";
import { restartDelayMs } from "./restart-delay.ts";

/** A SQL server of our own, as the adapter runs it. */
export interface RunningSql extends AsyncDisposable {
  readonly url: Secret;
  readonly pid: number;
  /** Resolves when it has ended, asked or not. */
  readonly ended: Promise<unknown>;
}

export type StartSql = (options: { readonly dataDir: string; readonly log: Log }) => Promise<RunningSql>;

/** The PostgreSQL of npm. Loaded here, while the processes that do not need it start already. */
export const startPostgres: StartSql = async (options) => {
  const { startEmbeddedPostgres } = await import("@weft/sql-postgres");
  return startEmbeddedPostgres(options);
};

export interface SqlServerOptions {
  readonly start: StartSql;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** It answers, at first or again. */
  readonly onReady: (url: Secret, pid: number) => void;
}

/** Keeps the SQL server running until it is told to stop. */
export class SqlServer {
  readonly #options: SqlServerOptions;
  readonly #stopping = new AbortController();
  #running: RunningSql | undefined;
  #watch: Promise<void> | undefined;

  constructor(options: SqlServerOptions) {
    this.#options = options;
  }

  /** Resolves when it answers; rejects when it can't be started the first time. */
  async start(): Promise<void> {
    await this.#startOnce();
    this.#watch = this.#keep();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.[Symbol.asyncDispose]();
    await this.#watch;
  }

  /** Ends it now. What was committed is kept: that is what a database is for. */
  kill(): void {
    this.#stopping.abort();
    if (this.#running === undefined) return;
    try {
      process.kill(this.#running.pid, "SIGQUIT");
    } catch {
      // It has ended.
    }
  }

  async #startOnce(): Promise<void> {
    const { start, dataDir, log, onReady } = this.#options;
    const running = await start({ dataDir, log });
    this.#running = running;
    if (this.#stopping.signal.aborted) await running[Symbol.asyncDispose]();
    else onReady(running.url, running.pid);
  }

  async #keep(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    for (let crashes = 0; !signal.aborted;) {
      await this.#running?.ended;
      if (signal.aborted) return;
      const delayMs = restartDelayMs(crashes);
      crashes += 1;
      log.warn({ delayMs }, "the SQL server ended; starting it again");
      await clock.sleep(delayMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#startOnce();
        crashes = 0;
      } catch (error) {
        const { reason, message } = WeftError.from(error);
        log.error({ reason }, `the SQL server can't be started: ${message}`);
      }
    }
  }
}
