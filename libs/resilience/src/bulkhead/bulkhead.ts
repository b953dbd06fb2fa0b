import { WeftError } from "@weft/kit";
import type { OnDecision } from "../decision.ts";

/** How much of this process one target may hold: the section `bulkhead` of a policy. */
export interface BulkheadOptions {
  /** Calls under way at a time, streams not counted. Default 10,000. */
  readonly maxCalls?: number;
  /** Those of a single method. Default 8,000: one that hangs leaves room for the others. */
  readonly maxCallsPerMethod?: number;
  /** Streams open at a time. Default 10,000. */
  readonly maxStreams?: number;
}

/** The defaults of {@link BulkheadOptions}. */
export const bulkheadDefaults: Required<BulkheadOptions> = Object.freeze({
  maxCalls: 10_000,
  maxCallsPerMethod: 8_000,
  maxStreams: 10_000,
});

/** What a {@link Bulkhead} is made of. */
export interface BulkheadParts {
  /** Name of the service. */
  readonly target: string;
  readonly options?: BulkheadOptions;
  readonly onDecision?: OnDecision;
}

/**
 * Bounds the calls that wait for one target, so that a target that hangs can't take all memory and connections of its
 * caller. There is no queue: a call that finds no room fails at once. Tells `refused`.
 *
 * - H1 Never more than the bounds are inside; calls and streams don't take each other's room.
 * - H2 Whoever finds room gets in, and who leaves makes room.
 */
export class Bulkhead {
  readonly #parts: BulkheadParts;
  readonly #methods = new Map<string, number>();
  #options: Required<BulkheadOptions>;
  #calls = 0;
  #streams = 0;

  constructor(parts: BulkheadParts) {
    this.#parts = parts;
    this.#options = { ...bulkheadDefaults, ...parts.options };
  }

  /** Calls and streams that are inside. */
  get inside(): { readonly calls: number; readonly streams: number } {
    return { calls: this.#calls, streams: this.#streams };
  }

  /** From now on; what is left out goes back to its default. Whoever is inside stays. */
  configure(options: BulkheadOptions): void {
    this.#options = { ...bulkheadDefaults, ...options };
  }

  /** A call wants in, before its first try. Undefined when it is: then `leave` is owed, once. Else what it fails with. */
  enter(method: string): WeftError | undefined {
    const { maxCalls, maxCallsPerMethod } = this.#options;
    const inMethod = this.#methods.get(method) ?? 0;
    if (this.#calls >= maxCalls) return this.#refuse(method, `${maxCalls} calls`);
    if (inMethod >= maxCallsPerMethod) return this.#refuse(method, `${maxCallsPerMethod} calls of ${method}`);
    this.#calls += 1;
    this.#methods.set(method, inMethod + 1);
    return undefined;
  }

  /** A call that got in has ended. */
  leave(method: string): void {
    this.#calls -= 1;
    const left = (this.#methods.get(method) ?? 0) - 1;
    if (left > 0) this.#methods.set(method, left);
    else this.#methods.delete(method);
  }

  /** As `enter`, for a stream. */
  enterStream(method: string): WeftError | undefined {
    const { maxStreams } = this.#options;
    if (this.#streams >= maxStreams) return this.#refuse(method, `${maxStreams} streams`);
    this.#streams += 1;
    return undefined;
  }

  /** A stream that got in has ended. */
  leaveStream(): void {
    this.#streams -= 1;
  }

  #refuse(method: string, what: string): WeftError {
    const { target, onDecision } = this.#parts;
    onDecision?.({ kind: "refused", target, method, reason: "bulkhead-full" });
    return new WeftError("BULKHEAD_FULL", `${what} to ${target} are under way already`, { retryAfterMs: 100 });
  }
}
