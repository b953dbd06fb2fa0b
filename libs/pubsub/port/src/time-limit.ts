import { type Clock, WeftError } from "@weft/kit";
import type { Delivery, SubscribeOptions } from "./pubsub.ts";

/** Longer than what a handler calls may take by default. */
const defaultTimeoutMs = 60_000;
/** How long a handler has to end once its time is up, in milliseconds. One that does not heed its signal runs on beside the next delivery. */
const graceMs = 1000;

/** What a try ends with whose time was up. It is no transient failure, whatever its reason says of others: see {@link TimeLimit}. */
export class TriedTooLong extends WeftError {
  constructor(timeoutMs: number) {
    super("DEADLINE_EXCEEDED", `the handler took longer than ${timeoutMs} ms`);
  }
}

interface Trial {
  /** On the monotonic clock. */
  readonly endAt: number;
  readonly controller: AbortController;
  readonly giveUp: (error: TriedTooLong) => void;
  error?: TriedTooLong;
}

/**
 * A subscription's handler whose tries end: after `handleTimeoutMs` the signal aborts, and {@link TriedTooLong} is what comes
 * of it. That counts as a failure of the event, not as weather that holds the partition until it is over: what a handler
 * waits for has deadlines of its own and ends in an error that says so, hence one that still runs may never end, and
 * nobody would see why everything behind it waits. An event that was given up wrongly can be redriven.
 *
 * All tries share one timer, as they are bounded alike: a delivery costs no timer of its own.
 */
export class TimeLimit implements Disposable {
  readonly #handle: SubscribeOptions["handle"];
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #running = new Set<Trial>();
  /** What aborts the try under way, by the signal of its partition, which has one try at a time. */
  readonly #controllers = new WeakMap<AbortSignal, { current: AbortController }>();
  readonly #stop = new AbortController();
  #isWatching = false;

  constructor(options: Pick<SubscribeOptions, "handle" | "handleTimeoutMs">, clock: Clock) {
    this.#handle = options.handle;
    this.#timeoutMs = options.handleTimeoutMs ?? defaultTimeoutMs;
    this.#clock = clock;
  }

  readonly handle = (delivery: Delivery, signal: AbortSignal): Promise<void> =>
    // By hand, once for each delivery: a race of promises costs several times as much.
    new Promise((resolve, reject) => {
      const controller = this.#controllerOf(signal);
      const trial: Trial = { endAt: this.#clock.monotonic() + this.#timeoutMs, controller, giveUp: reject };
      this.#handle(delivery, controller.signal).then(
        () => {
          this.#running.delete(trial);
          resolve();
        },
        (error: unknown) => {
          this.#running.delete(trial);
          reject(trial.error ?? error);
        },
      );
      this.#running.add(trial);
      if (!this.#isWatching) void this.#watch();
    });

  /** Ends no try any more. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  #controllerOf(signal: AbortSignal): AbortController {
    const known = this.#controllers.get(signal);
    if (known !== undefined && !known.current.signal.aborted) return known.current;
    const current = new AbortController();
    if (known !== undefined && !signal.aborted) return (known.current = current);
    const entry = { current };
    this.#controllers.set(signal, entry);
    if (signal.aborted) current.abort(signal.reason);
    else signal.addEventListener("abort", () => entry.current.abort(signal.reason), { once: true });
    return current;
  }

  async #watch(): Promise<void> {
    this.#isWatching = true;
    // The first is asked for anew each time: an iterator that waits keeps all that come and go meanwhile in memory.
    for (;;) {
      const [oldest] = this.#running;
      if (oldest === undefined) break;
      if (!(await this.#rest(oldest.endAt - this.#clock.monotonic()))) return;
      if (this.#running.delete(oldest)) void this.#end(oldest);
    }
    this.#isWatching = false;
  }

  async #end(trial: Trial): Promise<void> {
    trial.error = new TriedTooLong(this.#timeoutMs);
    trial.controller.abort(trial.error);
    if (await this.#rest(graceMs)) trial.giveUp(trial.error);
  }

  /** Whether it goes on after the rest. */
  async #rest(ms: number): Promise<boolean> {
    await this.#clock.sleep(Math.max(0, ms), this.#stop.signal).catch(() => undefined);
    return !this.#stop.signal.aborted;
  }
}
