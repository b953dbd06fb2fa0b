import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cleanEnvironment } from "@weft/system-tests";
import type { LedgerOptions } from "./ledger.ts";

const program = join(import.meta.dirname, "ledger.ts");
const restartMs = 300;
const stopTimeoutMs = 10_000;

export interface LedgerProcessesOptions extends LedgerOptions {
  readonly count: number;
  /** Where what they say goes. */
  readonly logDir: string;
}

/** The ledgers: started, and started again when they end. Disposing ends them. */
export class LedgerProcesses implements AsyncDisposable {
  readonly #options: LedgerProcessesOptions;
  readonly #stopping = new AbortController();
  readonly #children = new Map<number, ChildProcess>();
  readonly #lives: readonly Promise<void>[];

  constructor(options: LedgerProcessesOptions) {
    this.#options = options;
    this.#lives = Array.from({ length: options.count }, (_, index) => this.#live(index + 1));
  }

  /** Process id of one of them, from 1; undefined while it is down. */
  pid(number: number): number | undefined {
    return this.#children.get(number)?.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    for (const child of this.#children.values()) child.kill("SIGTERM");
    const kill = setTimeout(() => {
      for (const child of this.#children.values()) child.kill("SIGKILL");
    }, stopTimeoutMs);
    await Promise.all(this.#lives);
    clearTimeout(kill);
  }

  async #live(number: number): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const child = this.#spawn(number);
      this.#children.set(number, child);
      await once(child, "exit");
      this.#children.delete(number);
      await sleep(restartMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #spawn(number: number): ChildProcess {
    const { logDir, count: _, ...told } = this.#options;
    const log = openSync(join(logDir, `ledger-${number}.log`), "a", 0o600);
    try {
      return spawn(process.execPath, [program], {
        env: { ...cleanEnvironment(), CHAOS_LEDGER: JSON.stringify(told) },
        stdio: ["ignore", log, log, "ipc"],
        // A Ctrl-C at the terminal is for us.
        detached: true,
      });
    } finally {
      closeSync(log);
    }
  }
}
