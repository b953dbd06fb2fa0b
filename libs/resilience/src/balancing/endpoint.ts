import type { WarmUpOptions } from "./options.ts";
import type { Usual } from "./usual.ts";

/** What an instance says of itself; it stays the same while the instance runs. */
export interface EndpointFacts {
  /** New at every start of the instance. */
  readonly id: string;
  /** `host:port` */
  readonly address: string;
  readonly version?: string;
  readonly zone?: string;
  /** Its share beside the others; 1 is usual. Above 0. */
  readonly weight: number;
}

/**
 * How a call ended, as far as it says something about the instance. `ok`: it answered, be it with an error of the
 * caller's making. `failure`: it could not be reached, broke or was too late. `refused`: it turned the call down before
 * doing anything, being too busy or about to stop. `cancelled`: the caller gave up, which says nothing but how long it
 * had waited.
 */
export type Outcome = "ok" | "failure" | "refused" | "cancelled";

/** Calls over which the share of failed ones is averaged, about. */
const failureSpan = 8;

/** Answers after which a latency that is over is forgotten, about. */
const answerSpan = 8;

/** How many times its usual latency an answer may take before it is overdue. */
const overdueFactor = 3;

/** A latency that was slow once is forgotten so many times as fast as one that was slow again and again. */
const pardon = 10;

/** Each slow answer beyond the first makes that so many times as long. */
const growth = 4;

/**
 * So many usual answers take a slow one back. Fewer where all instances are slow now and then, with pauses of the caller
 * or a machine that is busy: then one is forgiven for what all do so many times as often.
 */
const usualForSlow = 48;
const slackForAll = 6;

/** More slow answers than this change nothing. */
const mostOffences = 1 + Math.log(pardon) / Math.log(growth);

/** A latency below this is not told from the pauses of a process. */
const noiseMs = 10;

/**
 * One instance as its caller sees it: its facts, and what was measured. Times are monotonic milliseconds.
 *
 * Latency is a peak-sensitive moving average: it rises to a slower answer at once and falls slowly, with answers and
 * with time ("Finagle's `PeakEwma`", https://twitter.github.io/finagle/guide/Clients.html). Where a call's {@link Usual}
 * is given, it is that of a call of any method: methods that take long are no latency of the instance. One slow answer
 * may be a pause of the process (a collection of garbage, a neighbour on the machine), so it is forgotten soon. How soon
 * has a memory of its own: an instance that is slow again and again, if only now and then, and more often than the
 * others, is tried ever more rarely.
 */
export class Endpoint {
  /** Renewed with the registry's list; id and address stay. */
  facts: EndpointFacts;
  /** When it was first listed. */
  readonly since: number;
  /** Calls that run now, streams among them. */
  inFlight = 0;
  /** Peak EWMA of the time of answers, whatever their methods; 0 before the first one. */
  latencyMs = 0;
  /** Share of the last calls that failed or were refused: a moving average over about eight. */
  failureShare = 0;
  /** When a call last ended with something from the instance. */
  lastAnswerMs: number;
  /** Calls that run now and will be answered once. */
  #waiting = 0;
  #waitingSinceMs = 0;
  readonly #waitingFor = new Map<Usual, number>();
  /** When the newest call began, if none has ended since; else never. */
  #triedMs = Number.NEGATIVE_INFINITY;
  /** How often it was slow, less what is forgiven, and when that was seen last. Undefined: nobody knows what is usual. */
  #offences: number | undefined;
  #offendedMs = Number.NEGATIVE_INFINITY;
  #updatedMs: number;
  #warmUp: Required<WarmUpOptions> | undefined;
  #warmFromMs = 0;
  #hasBegun = false;

  constructor(facts: EndpointFacts, nowMs: number) {
    this.facts = facts;
    this.since = nowMs;
    this.lastAnswerMs = nowMs;
    this.#updatedMs = nowMs;
  }

  /** A call begins. A stream counts as load, but nobody waits for its answer. */
  begin(isStream: boolean, nowMs: number, usual?: Usual): void {
    this.inFlight += 1;
    this.#hasBegun = true;
    if (isStream) return;
    if (this.#waiting === 0) this.#waitingSinceMs = nowMs;
    this.#waiting += 1;
    this.#triedMs = nowMs;
    if (usual !== undefined) this.#waitingFor.set(usual, (this.#waitingFor.get(usual) ?? 0) + 1);
  }

  /** It ended. `tookMs`: undefined for a stream. `usual`: what it began with. */
  end(outcome: Outcome, tookMs: number | undefined, nowMs: number, decayMs: number, usual?: Usual): void {
    this.inFlight -= 1;
    if (tookMs !== undefined) this.#waiting -= 1;
    if (outcome === "ok" || outcome === "refused") this.lastAnswerMs = nowMs;
    this.failureShare = this.failureShareAt(nowMs, decayMs);
    if (outcome !== "cancelled") this.failureShare += ((outcome === "ok" ? 0 : 1) - this.failureShare) / failureSpan;
    const kept = this.#keptAt(nowMs, decayMs);
    this.#updatedMs = nowMs;
    if (tookMs === undefined) {
      this.latencyMs *= kept;
      return;
    }
    this.#triedMs = Number.NEGATIVE_INFINITY;
    const pace = usual === undefined ? 1 : this.#endFor(usual, { outcome, tookMs, nowMs });
    const latencyMs = tookMs * pace;
    // A fast failure is no sign of speed: it must not draw calls. But who made somebody wait in vain is that slow at least.
    const isLate = outcome !== "refused" && this.latencyMs > 0 && latencyMs > this.latencyMs;
    if (outcome !== "ok" && !isLate) {
      this.latencyMs *= kept;
      return;
    }
    // One slow answer raises it to the full, several usual ones bring it down again.
    const weight = latencyMs > this.latencyMs ? 1 : Math.max(1 - kept, 1 / answerSpan);
    this.latencyMs += (latencyMs - this.latencyMs) * weight;
  }

  /** @returns what a millisecond of it is worth; 0 when nobody knows */
  #endFor(usual: Usual, { outcome, tookMs, nowMs }: { outcome: Outcome; tookMs: number; nowMs: number }): number {
    const waiting = this.#waitingFor.get(usual) ?? 0;
    if (waiting > 1) this.#waitingFor.set(usual, waiting - 1);
    else this.#waitingFor.delete(usual);
    if (outcome !== "refused" && usual.isSlow(tookMs)) this.#offend(usual, tookMs, nowMs);
    else if (outcome === "ok") this.#forgive(usual);
    // An answer counts as one of its method before it is measured by that: the first one ever is what is usual.
    if (outcome === "ok") usual.add(tookMs);
    return usual.pace;
  }

  #offend(usual: Usual, tookMs: number, nowMs: number): void {
    // Calls that were under way together are slow together, and for one reason.
    if (nowMs - tookMs >= this.#offendedMs) {
      this.#offences = Math.min(mostOffences, (this.#offences ?? 0) + 1);
      usual.note(true);
    }
    this.#offendedMs = nowMs;
  }

  #forgive(usual: Usual): void {
    const share = Math.max(1 / usualForSlow, slackForAll * usual.slowShare);
    this.#offences = Math.max(0, (this.#offences ?? 0) - share);
    usual.note(false);
  }

  /**
   * What its latency counts for now: less and less without answers, so that a slow one is tried again. Once that trial
   * runs, it counts in full for as long as it is: one call finds out as much as many. Then silence says more, or the call
   * is one that takes long anyhow, and it counts for what it did when that call began. 0 when unknown.
   */
  latencyAt(nowMs: number, decayMs: number): number {
    if (nowMs - this.#triedMs <= this.latencyMs) return this.latencyMs;
    return this.latencyMs * this.#keptAt(Number.isFinite(this.#triedMs) ? this.#triedMs : nowMs, decayMs);
  }

  /** And its share of failures. */
  failureShareAt(nowMs: number, decayMs: number): number {
    return this.failureShare === 0 ? 0 : this.failureShare * keptOf(nowMs - this.#updatedMs, decayMs);
  }

  /** For how long somebody waits and nobody has been answered: at least that old is its oldest call. */
  silenceAt(nowMs: number): number {
    if (this.#waiting === 0) return 0;
    return Math.max(0, nowMs - Math.max(this.#waitingSinceMs, this.lastAnswerMs));
  }

  /** What that counts for beside its latency: the less, the longer the calls that wait take anyhow. */
  latenessAt(nowMs: number): number {
    const silenceMs = this.silenceAt(nowMs);
    return silenceMs === 0 ? 0 : silenceMs * this.#waitingPace();
  }

  /** Whether nobody has been answered for longer than any answer took lately, by far. */
  isOverdueAt(nowMs: number): boolean {
    const silenceMs = this.silenceAt(nowMs);
    return silenceMs > overdueFactor * noiseMs && silenceMs * this.#waitingPace() > overdueFactor * this.latencyMs;
  }

  /** From now on its weight grows to the full one. */
  startWarmUp(nowMs: number, options: Required<WarmUpOptions>): void {
    this.#warmUp = options.windowMs > 0 ? options : undefined;
    this.#warmFromMs = nowMs;
  }

  /** Puts that off until now, if it could not take a call before. */
  delayWarmUp(nowMs: number): void {
    if (!this.#hasBegun) this.#warmFromMs = nowMs;
  }

  /** The share of its weight that it has by now, in (0, 1]. */
  warmthAt(nowMs: number): number {
    if (this.#warmUp === undefined) return 1;
    const { windowMs, aggression, minShare } = this.#warmUp;
    const part = Math.max(0, nowMs - this.#warmFromMs) / windowMs;
    if (part < 1) return Math.max(minShare, part ** (1 / aggression));
    this.#warmUp = undefined;
    return 1;
  }

  /** Its weight by now. */
  weightAt(nowMs: number): number {
    return this.facts.weight * this.warmthAt(nowMs);
  }

  /** What a millisecond is worth of whichever call that waits is answered soonest; 0 when nobody knows of any of them. */
  #waitingPace(): number {
    if (this.#waitingFor.size === 0) return 1;
    let pace = 0;
    for (const usual of this.#waitingFor.keys()) pace = Math.max(pace, usual.pace);
    return pace;
  }

  /** How much is left of the latency that was measured last. */
  #keptAt(nowMs: number, decayMs: number): number {
    const offences = this.#offences ?? Number.POSITIVE_INFINITY;
    return keptOf(nowMs - this.#updatedMs, decayMs * Math.min(1, growth ** Math.max(0, offences - 1) / pardon));
  }
}

/** Of what was so much so many milliseconds ago. */
function keptOf(forMs: number, decayMs: number): number {
  return Math.exp(-Math.max(0, forMs) / decayMs);
}
