import { type Clock, WeftError } from "@weft/kit";

/**
 * Whether there is a connection. A call that finds none waits for the rest of a short grace, for most losses are over
 * at once; after that, calls fail until there is one again.
 */
export class Link {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #closing = new AbortController();
  #state: State = { is: "down", cause: undefined };

  /** @param graceMs how long after a loss calls wait */
  constructor(options: { readonly clock: Clock; readonly graceMs: number }) {
    this.#clock = options.clock;
    this.#graceMs = options.graceMs;
  }

  get isUp(): boolean {
    return this.#state.is === "up";
  }

  get isClosed(): boolean {
    return this.#state.is === "closed";
  }

  /** There is a connection. */
  up(): void {
    const before = this.#state;
    if (before.is === "closed") return;
    this.#state = { is: "up" };
    if (before.is === "lost") before.change.resolve();
  }

  /** The connection was lost, or one could not be made. The grace counts from the first of these. */
  lost(cause: unknown): void {
    const before = this.#state;
    if (before.is === "down") this.#state = { is: "down", cause };
    if (before.is !== "up") return;
    const state: State = { is: "lost", change: Promise.withResolvers<void>() };
    // Most of the time nobody waits.
    state.change.promise.catch(() => undefined);
    this.#state = state;
    const isOver = (): void => {
      if (this.#state !== state) return;
      this.#state = { is: "down", cause };
      state.change.reject(away(cause));
    };
    this.#clock.sleep(this.#graceMs, this.#closing.signal).then(isOver, () => undefined);
  }

  /** There will be none any more. */
  close(): void {
    const before = this.#state;
    this.#state = { is: "closed" };
    this.#closing.abort();
    if (before.is === "lost") before.change.reject(closed());
  }

  /** Resolves when a call can be sent. `UNAVAILABLE` when there is no connection and the grace is over. */
  async usable(): Promise<void> {
    const state = this.#state;
    if (state.is === "lost") return state.change.promise;
    if (state.is === "closed") throw closed();
    if (state.is === "down") throw away(state.cause);
  }
}

type State =
  | { readonly is: "up" }
  | { readonly is: "lost"; readonly change: PromiseWithResolvers<void> }
  | { readonly is: "down"; readonly cause: unknown }
  | { readonly is: "closed" };

function away(cause: unknown): WeftError {
  return new WeftError("UNAVAILABLE", "Redis can't be reached", { cause });
}

function closed(): WeftError {
  return new WeftError("UNAVAILABLE", "the connection to Redis is closed");
}
