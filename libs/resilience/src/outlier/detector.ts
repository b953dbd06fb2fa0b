import type { Outcome } from "../balancing/endpoint.ts";
import { CallHistory, isWorse } from "./history.ts";
import { outlierDefaults, type OutlierOptions } from "./options.ts";

export type EjectionReason = "consecutive failures" | "fails more than the others" | "low success rate";
export type ReadmissionReason = "time is up" | "detection is off";

/** What the detector asks, and whom it tells. */
export interface DetectorHooks<Instance> {
  /** Whether somebody else could take its calls. */
  readonly isReplaceable: (instance: Instance) => boolean;
  readonly onEjected: (instance: Instance, reason: EjectionReason) => void;
  readonly onReadmitted: (instance: Instance, reason: ReadmissionReason) => void;
}

interface Track {
  readonly history: CallHistory;
  /** Failures since the last success. */
  failures: number;
  /** Monotonic milliseconds; undefined while it serves. */
  ejectedUntilMs: number | undefined;
  /** Ejections that are not forgiven yet. */
  ejections: number;
  /** When it was admitted last. */
  admittedMs: number;
}

/**
 * Ejects sick instances: those that fail several calls in a row, that fail clearly more than the others, or whose success
 * rate falls behind in a larger cluster (Envoy's outlier detection, https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier).
 *
 * - `O1` never more ejected at a time than the share allows, one always allowed
 * - `O2` never somebody whom nobody could replace
 * - `O3` whoever is ejected is readmitted, after the base time for each ejection not forgiven, and the maximum at most
 * - `O4` an ejection is forgiven for each base time of service without another
 * - `O5` failures in a row eject, whatever the others do; a success in between starts the count anew
 * - `O6` failing half of its calls beside sound ones ejects within 40 calls, in clusters of two and more
 * - `O7` when all fail alike, failing more than the others is chance: it ejects at most once in a thousand calls
 * - `O8` what was refused or cancelled says nothing
 * - `O9` in a larger cluster, a success rate that falls behind the others' is found when an interval ends
 */
export class OutlierDetector<Instance> {
  readonly #hooks: DetectorHooks<Instance>;
  readonly #tracks = new Map<Instance, Track>();
  #options: Required<OutlierOptions> = outlierDefaults;
  #intervalEndMs: number;
  #dueMs: number;

  constructor(hooks: DetectorHooks<Instance>, nowMs: number) {
    this.#hooks = hooks;
    this.#intervalEndMs = nowMs + this.#options.intervalMs;
    this.#dueMs = this.#intervalEndMs;
  }

  /** When `tick` has something to do: monotonic milliseconds. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Takes effect at once, for those that are ejected, too: none lasts longer than it would now. What was counted stays. */
  configure(options: OutlierOptions, nowMs: number): void {
    this.#options = { ...outlierDefaults, ...options };
    this.#intervalEndMs = Math.min(this.#intervalEndMs, nowMs + this.#options.intervalMs);
    for (const [instance, track] of this.#tracks) {
      if (track.ejectedUntilMs === undefined) continue;
      if (this.#options.enabled) track.ejectedUntilMs = Math.min(track.ejectedUntilMs, nowMs + this.#lengthMs(track));
      else this.#readmit(instance, track, nowMs, "detection is off");
    }
    this.#plan();
  }

  add(instance: Instance, nowMs: number): void {
    this.#tracks.set(instance, {
      history: new CallHistory(),
      failures: 0,
      ejectedUntilMs: undefined,
      ejections: 0,
      admittedMs: nowMs,
    });
  }

  delete(instance: Instance): void {
    this.#tracks.delete(instance);
    this.#plan();
  }

  isEjected(instance: Instance): boolean {
    return this.ejectedUntilMs(instance) !== undefined;
  }

  /** Monotonic milliseconds; undefined when it is not ejected. */
  ejectedUntilMs(instance: Instance): number | undefined {
    return this.#tracks.get(instance)?.ejectedUntilMs;
  }

  /** A call there ended. */
  record(instance: Instance, outcome: Outcome, nowMs: number): void {
    if (outcome === "refused" || outcome === "cancelled") return;
    const track = this.#tracks.get(instance);
    // What comes back from before the ejection is no news.
    if (track === undefined || track.ejectedUntilMs !== undefined) return;
    track.history.add(outcome === "failure", nowMs, this.#options.windowMs);
    track.failures = outcome === "failure" ? track.failures + 1 : 0;
    if (track.failures === 0 || !this.#options.enabled) return;
    if (track.failures >= this.#options.consecutiveFailures)
      this.#eject(instance, track, nowMs, "consecutive failures");
    else if (this.#failsMore(track, nowMs)) this.#eject(instance, track, nowMs, "fails more than the others");
  }

  /** Does what follows from time. To be called when `dueMs` has come, or later. */
  tick(nowMs: number): void {
    for (const [instance, track] of this.#tracks) {
      if (track.ejectedUntilMs !== undefined && nowMs >= track.ejectedUntilMs) {
        this.#readmit(instance, track, nowMs, "time is up");
      }
    }
    if (nowMs >= this.#intervalEndMs) {
      this.#compareRates(nowMs);
      this.#intervalEndMs = nowMs + this.#options.intervalMs;
    }
    this.#plan();
  }

  #failsMore(track: Track, nowMs: number): boolean {
    const { minCalls, shareAboveOthers, windowMs } = this.#options;
    const own = track.history.since(nowMs - windowMs);
    const others = { calls: 0, failures: 0 };
    for (const other of this.#tracks.values()) {
      if (other === track || other.ejectedUntilMs !== undefined) continue;
      const { calls, failures } = other.history.since(nowMs - windowMs);
      others.calls += calls;
      others.failures += failures;
    }
    return own.calls >= minCalls && others.calls >= minCalls && isWorse(own, others, shareAboveOthers);
  }

  #compareRates(nowMs: number): void {
    const { successRateMinInstances, successRateMinCalls, successRateDeviations, enabled } = this.#options;
    const rates: { readonly instance: Instance; readonly track: Track; readonly rate: number }[] = [];
    for (const [instance, track] of this.#tracks) {
      const { calls, failures } = track.history.endInterval();
      if (track.ejectedUntilMs === undefined && calls >= successRateMinCalls) {
        rates.push({ instance, track, rate: 1 - failures / calls });
      }
    }
    if (!enabled || rates.length < successRateMinInstances) return;
    const mean = rates.reduce((sum, { rate }) => sum + rate, 0) / rates.length;
    const deviation = Math.sqrt(rates.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rates.length);
    const limit = mean - Math.max(minRateGap, successRateDeviations * deviation);
    for (const { instance, track, rate } of rates) {
      if (rate < limit) this.#eject(instance, track, nowMs, "low success rate");
    }
  }

  #eject(instance: Instance, track: Track, nowMs: number, reason: EjectionReason): void {
    const { baseEjectionMs, maxEjectedShare } = this.#options;
    const ejected = [...this.#tracks.values()].filter((other) => other.ejectedUntilMs !== undefined).length;
    if (ejected >= Math.max(1, Math.floor(maxEjectedShare * this.#tracks.size))) return;
    if (!this.#hooks.isReplaceable(instance)) return;
    const forgiven = Math.floor((nowMs - track.admittedMs) / baseEjectionMs);
    track.ejections = Math.max(0, track.ejections - forgiven) + 1;
    track.ejectedUntilMs = nowMs + this.#lengthMs(track);
    this.#plan();
    this.#hooks.onEjected(instance, reason);
  }

  /** How long it is ejected. */
  #lengthMs({ ejections }: Track): number {
    const { baseEjectionMs, maxEjectionMs } = this.#options;
    return Math.min(baseEjectionMs * ejections, Math.max(baseEjectionMs, maxEjectionMs));
  }

  #readmit(instance: Instance, track: Track, nowMs: number, reason: ReadmissionReason): void {
    track.ejectedUntilMs = undefined;
    track.admittedMs = nowMs;
    track.failures = 0;
    track.history.clear();
    this.#hooks.onReadmitted(instance, reason);
  }

  #plan(): void {
    this.#dueMs = this.#intervalEndMs;
    for (const { ejectedUntilMs } of this.#tracks.values()) {
      if (ejectedUntilMs !== undefined && ejectedUntilMs < this.#dueMs) this.#dueMs = ejectedUntilMs;
    }
  }
}

/** A success rate this little below the mean is no illness, however alike the others are. */
const minRateGap = 0.05;
