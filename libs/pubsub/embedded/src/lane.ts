import type { Clock } from "@weft/kit";
import { attempt, type AttemptOptions, type Failed, pauseMs } from "@weft/pubsub";
import type { Claim } from "./group.ts";
import type { Item, Source } from "./source.ts";

/** How long a lane rests after the file refused something, in milliseconds. */
const errorPauseMs = 500;

export interface LaneOptions extends Pick<AttemptOptions, "handle" | "policy"> {
  readonly claim: Claim;
  readonly source: Source;
  readonly clock: Clock;
  /** Told of the first transient failure of a run. */
  readonly onPause: (error: Error, claim: Claim, waitMs: number) => void;
  /** Told of what is among the dead letters now. */
  readonly onGivenUp: (failed: Failed) => void;
}

/**
 * Hands deliveries of one source to the handler, one after the other. Whoever owns the lane calls `step` whenever the
 * lane is ready and there is room for one more handler.
 */
export class Lane {
  readonly claim: Claim;
  readonly #options: LaneOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #stopping = false;
  /** Read, and not yet settled: what a pause left. */
  #items: readonly Item[] = [];
  #pauses = 0;
  #pausedUntil = 0;

  constructor(options: LaneOptions) {
    this.claim = options.claim;
    this.#options = options;
  }

  /** When `step` has something to do, in milliseconds since the epoch; undefined while it runs or nothing is there. */
  readyAt(): number | undefined {
    if (this.#stopping || this.#running !== undefined) return undefined;
    const ready = this.#items.length > 0 ? 0 : this.#options.source.readyAt();
    return ready === undefined ? undefined : Math.max(ready, this.#pausedUntil);
  }

  /** Works through one read-ahead, or up to the next pause. Rejects when the file refuses, or the lane was lost. */
  step(): Promise<void> {
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Finishes the delivery in hand, for at most `graceMs`; then its signal is aborted, and it has another second. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const running = this.#running?.catch(() => undefined);
    if (running !== undefined) {
      await this.#within(graceMs, running);
      this.#abort.abort();
      await this.#within(1000, running);
    }
    this.#abort.abort();
  }

  /** From here on nothing is written any more. */
  abandon(): void {
    this.#stopping = true;
    this.#abort.abort();
  }

  async #work(): Promise<void> {
    const { handle, policy, source, clock, claim, onPause, onGivenUp } = this.#options;
    const signal = this.#abort.signal;
    try {
      if (this.#items.length === 0) this.#items = source.read();
      for (let item = this.#items[0]; item !== undefined && !this.#stopping; item = this.#items[0]) {
        const earlier = item.earlier === undefined ? {} : { earlier: item.earlier };
        const outcome = await attempt(item.delivery, { handle, policy, signal, clock, ...earlier });
        if (outcome.kind === "abandoned" || signal.aborted) return;
        if (outcome.kind === "paused") {
          this.#pauses += 1;
          const waitMs = pauseMs(this.#pauses, outcome.error);
          this.#pausedUntil = clock.now() + waitMs;
          if (this.#pauses === 1) onPause(outcome.error, claim, waitMs);
          break;
        }
        source.settle(item, outcome);
        if (outcome.kind === "dead") onGivenUp(outcome.failed);
        this.#pauses = 0;
        this.#items = this.#items.slice(1);
      }
      source.flush();
    } catch (error) {
      // What was read may be settled in part: begin again from the file, and not at once.
      this.#items = [];
      this.#pausedUntil = clock.now() + errorPauseMs;
      throw error;
    }
  }

  async #within(ms: number, work: Promise<void>): Promise<void> {
    const done = new AbortController();
    const timeout = this.#options.clock.sleep(ms, done.signal).catch(() => undefined);
    await Promise.race([work, timeout]);
    done.abort();
  }
}
