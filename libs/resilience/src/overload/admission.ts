import {
  ConcurrencyLimiter,
  concurrencyDefaults,
  type ConcurrencyOptions,
  type ConcurrencySettings,
} from "./limiter.ts";
import type { Priority } from "./priority.ts";

/**
 * The share of the limit that calls in flight may fill before one of a priority is refused. As all fill the same room, a
 * higher one finds some where a lower one does not. Critical calls are counted by themselves, so that nobody else can
 * be in their way, and may be many: the limit is a measure of good latency, and they are worth some.
 */
const shares = { critical: 10, interactive: 1, batch: 0.7 } as const;

/** That of `batch` while the processor is busy besides. */
const pressedShare = 0.35;

/** A call that was worked on. */
export interface WorkedCall {
  readonly method: string;
  /** Since work on it began, in milliseconds: how long it waited for its turn says nothing of what it waits for then. */
  readonly tookMs: number;
  /** False for one that was given up: it would have taken at least as long. Default true. */
  readonly isComplete?: boolean;
}

/**
 * Who is taken by a process that may be full. Milliseconds of a monotonic clock.
 *
 * - A1 A call is refused only while latency has brought the limit down, or the highest limit is reached.
 * - A2 Where a call is refused, none of a lower priority is taken; a critical one is refused for critical ones alone.
 * - A3 Whoever was taken and ends leaves room for another.
 * - A4 A stream takes no place, since its length says nothing; it is refused where a call of its priority is.
 */
export class Admission {
  readonly #limiter: ConcurrencyLimiter;
  readonly #shed: Record<Priority, number> = { critical: 0, interactive: 0, batch: 0 };
  #criticalInFlight = 0;
  /** Whether the processor is busy, so that `batch` gets less while calls are refused. Told by the owner. */
  isPressed = false;

  /** @param isSaturated see {@link ConcurrencyLimiter} */
  constructor(options: ConcurrencyOptions = {}, isSaturated?: () => boolean) {
    this.#limiter = new ConcurrencyLimiter(settingsOf(options), isSaturated);
  }

  get limit(): number {
    return this.#limiter.limit;
  }

  /** Unary calls. */
  get inFlight(): number {
    return this.#limiter.inFlight;
  }

  /** Calls and streams refused so far. */
  get shed(): Readonly<Record<Priority, number>> {
    return this.#shed;
  }

  configure(options: ConcurrencyOptions): void {
    this.#limiter.configure(settingsOf(options));
  }

  /** Whether a unary call is taken. One that is counts as in flight until {@link end} is told of it. */
  tryCall(priority: Priority, nowMs: number): boolean {
    if (!this.tryStream(priority, nowMs)) return false;
    this.#limiter.begin();
    if (priority === "critical") this.#criticalInFlight += 1;
    return true;
  }

  /** Whether a stream is taken. */
  tryStream(priority: Priority, nowMs: number): boolean {
    return this.#hasRoom(priority, nowMs) || this.refuse(priority);
  }

  /** Refuses a call for a reason of the owner's. */
  refuse(priority: Priority): false {
    this.#shed[priority] += 1;
    return false;
  }

  /** A call that was taken has ended, whatever became of it. */
  end(priority: Priority): void {
    if (priority === "critical") this.#criticalInFlight -= 1;
    this.#limiter.end();
  }

  /** What a call took that was worked on. */
  measure({ method, tookMs, isComplete = true }: WorkedCall, nowMs: number): void {
    this.#limiter.measure(method, tookMs, nowMs, isComplete);
  }

  #hasRoom(priority: Priority, nowMs: number): boolean {
    if (priority === "critical") return this.#criticalInFlight < this.#limiter.limit * shares.critical;
    const isPressed = priority === "batch" && this.isPressed && this.#limiter.limiting;
    return this.#limiter.hasRoom(isPressed ? pressedShare : shares[priority], nowMs);
  }
}

function settingsOf(options: ConcurrencyOptions): ConcurrencySettings {
  const settings = { ...concurrencyDefaults, ...options };
  return { ...settings, maxLimit: Math.max(settings.minLimit, settings.maxLimit) };
}
