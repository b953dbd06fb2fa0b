import type { ConfigurationStore } from "@weft/configuration";
import { backoffMs, type Clock, FailureLog, isWeftError, withTimeout } from "@weft/kit";
import type { Logger } from "@weft/telemetry";
import type { LiveSettings } from "./live.ts";

export interface FollowSettingsOptions {
  readonly open: () => Promise<Pick<ConfigurationStore, "watch">>;
  readonly live: Pick<LiveSettings, "take">;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Longest time that a process waits for the settings of the configuration block when it starts, in milliseconds. */
const longestWaitMs = 2000;

/** Longest time that one try of opening the block may take, in milliseconds: longer than its adapters' own. */
const openTimeoutMs = 15_000;

/** Takes in what the configuration block holds, for as long as it is open. */
export class FollowedSettings implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  readonly #following: Promise<void>;
  readonly #clock: Clock;

  constructor(options: FollowSettingsOptions) {
    this.#clock = options.clock;
    this.#following = this.#follow(options);
  }

  /** Resolves when the settings were read once; without a store after two seconds: they come when it is there. */
  async ready(): Promise<void> {
    const enough = new AbortController();
    const late = this.#clock.sleep(longestWaitMs, enough.signal).catch(() => undefined);
    await Promise.race([this.#first.promise, late]);
    enough.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #follow({ open, live, log, clock }: FollowSettingsOptions): Promise<void> {
    const { signal } = this.#stop;
    const texts = {
      began: "the configuration block can't be read: settings stay as they are",
      ended: "the configuration block is read again",
    };
    const failures = new FailureLog(log, texts);
    for (let tries = 1; !signal.aborted; tries += 1) {
      try {
        const store = await withTimeout(open, { timeoutMs: openTimeoutMs, what: "opening it", signal, clock });
        for await (const { items, stale } of store.watch([], signal)) {
          // The store keeps the last good items, and says so in the log.
          if (stale) continue;
          tries = 1;
          failures.worked();
          live.take(items);
          this.#first.resolve();
        }
      } catch (err) {
        // Its adapter is closed before us.
        if (signal.aborted || isWeftError(err, "DRAINING")) return;
        failures.failed(err);
      }
      await clock.sleep(backoffMs(tries), signal).catch(() => undefined);
    }
  }
}
