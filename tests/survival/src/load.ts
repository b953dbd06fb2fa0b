import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { cleanEnvironment } from "@weft/system-tests";
import type { CallsJson } from "./callers.ts";
import { monotonicMs } from "./monotonic.ts";

export interface LoadOptions {
  /** Of the gateways. */
  readonly urls: readonly string[];
  readonly token: string;
  readonly callers: number;
  /** Users to ask for. */
  readonly ids: readonly string[];
  readonly seed: number;
  /** Goes into the names of new users. */
  readonly name: string;
  /** When the run began, on the machine's monotonic clock. */
  readonly beginMs: number;
}

/** What the process of the callers is told. */
export type LoadOrder =
  | { readonly kind: "open" | "count" | "end" }
  | { readonly kind: "pace"; readonly perSecond: number }
  | { readonly kind: "flood"; readonly forMs: number }
  | { readonly kind: "probe"; readonly callers: number; readonly forMs: number };

/** And says when it has done so. */
export interface LoadAnswer {
  readonly error?: string;
  readonly perSecond?: number;
  readonly calls?: CallsJson;
}

const program = join(import.meta.dirname, "load-process.ts");

/** A thousand callers, in a process of their own. Disposing ends it. */
export class Load implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #beginMs: number;

  private constructor(child: ChildProcess, beginMs: number) {
    this.#child = child;
    this.#beginMs = beginMs;
  }

  /** Resolves when every caller has its connection. */
  static async open(options: Omit<LoadOptions, "beginMs">): Promise<Load> {
    const told: LoadOptions = { ...options, beginMs: monotonicMs() };
    const env = { ...cleanEnvironment(), SURVIVAL_LOAD: JSON.stringify(told) };
    const load = new Load(fork(program, { env, stdio: ["ignore", "inherit", "inherit", "ipc"] }), told.beginMs);
    try {
      await load.#order({ kind: "open" });
      return load;
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Milliseconds from the beginning of the run. */
  now(): number {
    return monotonicMs() - this.#beginMs;
  }

  /** From now on so many calls a second. */
  async pace(perSecond: number): Promise<void> {
    await this.#order({ kind: "pace", perSecond });
  }

  /** Calls that begin from now on count. */
  async count(): Promise<void> {
    await this.#order({ kind: "count" });
  }

  /** Every caller calls without a pause, for so long. */
  async flood(forMs: number): Promise<void> {
    await this.#order({ kind: "flood", forMs });
  }

  /** How many calls a second go well when so many callers call without a pause. */
  async probe(callers: number, forMs: number): Promise<number> {
    return (await this.#order({ kind: "probe", callers, forMs })).perSecond ?? 0;
  }

  /** Waits for what is under way; what became of all. */
  async end(): Promise<CallsJson> {
    const { calls } = await this.#order({ kind: "end" });
    if (calls === undefined) throw new Error("the callers did not say what became of their calls");
    return calls;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async #order(order: LoadOrder): Promise<LoadAnswer> {
    const ended = new AbortController();
    const { signal } = ended;
    try {
      const answered = once(this.#child, "message", { signal }) as Promise<[LoadAnswer]>;
      this.#child.send(order);
      const lost = once(this.#child, "exit", { signal }).then((): never => {
        throw new Error("the process of the callers ended");
      });
      const [answer] = await Promise.race([answered, lost]);
      if (answer.error !== undefined) throw new Error(`the callers failed: ${answer.error}`);
      return answer;
    } finally {
      ended.abort();
    }
  }
}
