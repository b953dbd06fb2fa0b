/** What the score is made of, over the last second or so. */
export interface Strain {
  /** Mean time of calls, in milliseconds. */
  readonly latencyMs: number;
  /** Share of calls that failed by the server's doing, refusals included, from 0 to 1. */
  readonly errorShare: number;
  /** From 0 to 1. */
  readonly cpuShare: number;
}

/** A part of the score. */
export type StrainPart = "latency" | "errors" | "cpu";

/** When a server does less; plain values. */
export interface DegradeOptions {
  /** Mean latency above this, in milliseconds, scores 40. Default 500. */
  readonly latencyMs?: number;
  /** A share of failed calls above this scores 35. Default 0.1. */
  readonly errorShare?: number;
  /** A processor busier than this scores 25. Default 0.85. */
  readonly cpuShare?: number;
  /** Degraded from this score on. Default 60. */
  readonly from?: number;
  /** Well again below this score. Default 40. */
  readonly below?: number;
  /** For so long, in milliseconds. Default 5,000. */
  readonly calmMs?: number;
}

export const degradeDefaults: Required<DegradeOptions> = {
  latencyMs: 500,
  errorShare: 0.1,
  cpuShare: 0.85,
  from: 60,
  below: 40,
  calmMs: 5_000,
};

const points: Readonly<Record<StrainPart, number>> = { latency: 40, errors: 35, cpu: 25 };

/**
 * Whether a server should do less than it could: two of latency, errors and processor are bad at a time.
 *
 * - D1 The score is the sum of the points of what is over its threshold.
 * - D2 At `from` or above it degrades at once.
 * - D3 It recovers only after the score was below `below` for `calmMs` without a break.
 */
export class DegradeScore {
  #settings: Required<DegradeOptions>;
  #score = 0;
  #parts: readonly StrainPart[] = [];
  #degraded = false;
  /** When the score last fell below. */
  #calmSince: number | undefined;

  constructor(options: DegradeOptions = {}) {
    this.#settings = { ...degradeDefaults, ...options };
  }

  /** From 0 to 100. */
  get score(): number {
    return this.#score;
  }

  /** What the score is made of. */
  get parts(): readonly StrainPart[] {
    return this.#parts;
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  configure(options: DegradeOptions): void {
    this.#settings = { ...degradeDefaults, ...options };
  }

  /** Takes in a measurement. Monotonic milliseconds. True when `degraded` changed. */
  update(strain: Strain, nowMs: number): boolean {
    const { latencyMs, errorShare, cpuShare, from, below, calmMs } = this.#settings;
    const parts: StrainPart[] = [];
    if (strain.latencyMs > latencyMs) parts.push("latency");
    if (strain.errorShare > errorShare) parts.push("errors");
    if (strain.cpuShare > cpuShare) parts.push("cpu");
    this.#parts = parts;
    this.#score = parts.reduce((sum, part) => sum + points[part], 0);
    this.#calmSince = this.#score < below ? (this.#calmSince ?? nowMs) : undefined;
    const was = this.#degraded;
    if (this.#score >= from) this.#degraded = true;
    else if (this.#calmSince !== undefined && nowMs - this.#calmSince >= calmMs) this.#degraded = false;
    return was !== this.#degraded;
  }
}
