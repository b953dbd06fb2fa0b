import {
  balancingDefaults,
  type BalancingOptions,
  balancingPolicies,
  type WarmUpOptions,
} from "../balancing/options.ts";
import type { RouteOptions, SplitOptions } from "../balancing/versions.ts";
import { breakerDefaults, type BreakerOptions } from "../breaker/options.ts";
import { bulkheadDefaults, type BulkheadOptions } from "../bulkhead/bulkhead.ts";
import { fallbackDefaults, type FallbackOptions } from "../fallback/options.ts";
import { hedgingDefaults, type HedgingOptions } from "../hedging/hedges.ts";
import { rememberedCalls } from "../outlier/history.ts";
import { outlierDefaults, type OutlierOptions } from "../outlier/options.ts";
import { retryDefaults, type RetryOptions } from "../retry/options.ts";
import { mapped, optional, required, type Shape, shape, withRule } from "./shape.ts";

/** Longest time that a policy may name, in milliseconds. */
const maxMs = 3_600_000;
/** Most instances, calls, tokens and other things that are counted. */
const maxCount = 1_000_000;

const warmUp = balancingDefaults.warmUp;

const keyShape = mapped(
  withRule(
    shape.object<{ readonly header?: string; readonly field?: string }>(
      {
        header: shape.text({ default: undefined, about: "A header of the call." }),
        field: shape.text({ default: undefined, about: "A field of the request, by its path: `user.id`." }),
      },
      "Where calls get the key that `consistent-hash`, `sticky` and `split` go by; without one, what the caller says.",
    ),
    ({ header, field }) =>
      (header === undefined) === (field === undefined) ? "needs one of header and field" : undefined,
  ),
  ({ header, field = "" }) => (header === undefined ? { field } : { header }),
);

export const balancingShape = shape.object<BalancingOptions>({
  policy: shape.choice({
    values: balancingPolicies,
    default: balancingDefaults.policy,
    about: "How one of the instances that may take a call is chosen.",
  }),
  key: optional(keyShape),
  loadBound: shape.number({
    default: balancingDefaults.loadBound,
    min: 1.01,
    max: 100,
    about: "`consistent-hash`: how much more than the mean of calls in flight an instance takes.",
  }),
  latencyDecayMs: shape.number({
    default: balancingDefaults.latencyDecayMs,
    min: 10,
    max: maxMs,
    about:
      "`p2c-ewma`: time constant with which a latency is forgotten that was high again and again; one that was high once is forgotten ten times as fast.",
  }),
  latencyTolerance: shape.number({
    default: balancingDefaults.latencyTolerance,
    min: 1,
    max: 100,
    about: "`p2c-ewma`: latencies within this factor of each other count as the same.",
  }),
  warmUp: shape.object<WarmUpOptions>(
    {
      windowMs: shape.number({ default: warmUp.windowMs, max: maxMs, about: "How long it takes; 0 turns it off." }),
      aggression: shape.number({
        default: warmUp.aggression,
        min: 0.1,
        max: 10,
        about: "1 is linear, above it is faster at first.",
      }),
      minShare: shape.number({ default: warmUp.minShare, min: 0.001, max: 1, about: "Where it begins." }),
    },
    "An instance that is new, or back from ejection, gets its weight little by little; for `consistent-hash` in its bound alone, for `sticky` not at all.",
  ),
  panicShare: shape.number({
    default: balancingDefaults.panicShare,
    max: 1,
    about: "Below this share of connected instances that may take calls, all of them do.",
  }),
  subsetSize: shape.number({
    default: balancingDefaults.subsetSize,
    min: 1,
    max: maxCount,
    integer: true,
    about:
      "How many instances a caller keeps connections to, of each version that gets calls of its own; not for policies by key.",
  }),
  zoneMinInstances: shape.number({
    default: balancingDefaults.zoneMinInstances,
    min: 1,
    max: maxCount,
    integer: true,
    about: "From so many instances on, calls stay in the caller's zone as long as nobody has more load for it.",
  }),
});

export const outliersShape = shape.object<OutlierOptions>({
  enabled: shape.boolean({ default: outlierDefaults.enabled, about: "Whether sick instances are ejected at all." }),
  consecutiveFailures: count(outlierDefaults.consecutiveFailures, "Failures in a row that eject."),
  shareAboveOthers: shape.number({
    default: outlierDefaults.shareAboveOthers,
    max: 1,
    about: "An instance that fails this much more of its calls than the others together is ejected.",
  }),
  minCalls: shape.number({
    default: outlierDefaults.minCalls,
    min: 1,
    max: rememberedCalls,
    integer: true,
    about: `Calls that an instance and the others must have had for that; each one's last ${rememberedCalls} are looked at.`,
  }),
  windowMs: time(outlierDefaults.windowMs, "An instance that was not called for so long is left out of that."),
  intervalMs: time(outlierDefaults.intervalMs, "How often success rates of all instances are compared."),
  successRateMinInstances: count(
    outlierDefaults.successRateMinInstances,
    "Instances with enough calls that this comparison needs.",
  ),
  successRateMinCalls: count(outlierDefaults.successRateMinCalls, "Calls in an interval that are enough."),
  successRateDeviations: shape.number({
    default: outlierDefaults.successRateDeviations,
    max: 100,
    about: "Standard deviations below the mean that eject.",
  }),
  baseEjectionMs: time(
    outlierDefaults.baseEjectionMs,
    "The first ejection; the n-th of an instance that does not recover takes n times as long.",
  ),
  maxEjectionMs: time(outlierDefaults.maxEjectionMs, "And at most this."),
  maxEjectedShare: shape.number({
    default: outlierDefaults.maxEjectedShare,
    max: 1,
    about: "Share of instances that may be ejected at a time; one always may, the last one never.",
  }),
});

export const retryShape = shape.object<RetryOptions>({
  maxTries: shape.number({
    default: retryDefaults.maxTries,
    min: 1,
    max: 10,
    integer: true,
    about: "Tries of a call in all, the first one counted; 1 turns retries off.",
  }),
  initialBackoffMs: shape.number({
    default: retryDefaults.initialBackoffMs,
    max: maxMs,
    about: "Bound of the wait before the first retry; it doubles with each further one.",
  }),
  maxBackoffMs: shape.number({
    default: retryDefaults.maxBackoffMs,
    max: maxMs,
    about: "Longest wait; a target that asks for a longer one gets it.",
  }),
  budgetShare: shape.number({ default: retryDefaults.budgetShare, max: 1, about: "Retries for each call." }),
  budgetBurst: shape.number({
    default: retryDefaults.budgetBurst,
    max: maxCount,
    about: "Retries that are there from the start.",
  }),
  budgetPerSecond: shape.number({
    default: retryDefaults.budgetPerSecond,
    max: maxCount,
    about: "Retries for each second, however few calls there are.",
  }),
  overloadShare: shape.number({
    default: retryDefaults.overloadShare,
    max: 1,
    about: "Nothing is tried again while the target turns down more than this share of tries as too busy.",
  }),
});

export const breakerShape = shape.object<BreakerOptions>({
  enabled: shape.boolean({ default: breakerDefaults.enabled, about: "Whether there is one." }),
  windowMs: time(breakerDefaults.windowMs, "How far back failures are counted."),
  minimumCalls: count(breakerDefaults.minimumCalls, "Fewer tries within the window say nothing."),
  failureShare: shape.number({
    default: breakerDefaults.failureShare,
    min: 0.01,
    max: 1,
    about: "It opens when this share of tries failed.",
  }),
  openMs: time(breakerDefaults.openMs, "How long it stays open."),
  probes: count(breakerDefaults.probes, "Most tries at a time while it is half open."),
  successes: count(breakerDefaults.successes, "It closes after so many of them went well."),
});

export const hedgingShape = shape.object<HedgingOptions>({
  methods: shape.list(shape.text({ default: "", about: "" }), {
    max: 1000,
    about:
      "Methods whose slow calls are sent a second time: `weft.user.v1.UserService/GetUser`, or `*` for every one that the contract calls free of side effects.",
  }),
  quantile: shape.number({
    default: hedgingDefaults.quantile,
    min: 0.5,
    max: 1,
    about: "Hedged when it takes longer than this share of the method's calls did.",
  }),
  minimumDelayMs: shape.number({
    default: hedgingDefaults.minimumDelayMs,
    max: maxMs,
    about: "But never sooner than this.",
  }),
  budgetShare: shape.number({
    default: hedgingDefaults.budgetShare,
    max: 1,
    about: "Hedges for each call of all methods together.",
  }),
  maxPerSecond: shape.number({
    default: hedgingDefaults.maxPerSecond,
    max: maxCount,
    about: "Most hedges a second: each ends with a reset of a stream, of which Node's servers take about 33 a second.",
  }),
});

export const bulkheadShape = shape.object<BulkheadOptions>({
  maxCalls: count(bulkheadDefaults.maxCalls, "Calls under way at a time, streams not counted."),
  maxCallsPerMethod: count(bulkheadDefaults.maxCallsPerMethod, "Those of a single method."),
  maxStreams: count(bulkheadDefaults.maxStreams, "Streams open at a time."),
});

export const fallbackShape = shape.object<FallbackOptions>({
  enabled: shape.boolean({
    default: fallbackDefaults.enabled,
    about: "Whether what the contract has for it is answered while the target can't.",
  }),
  maxAgeMs: time(fallbackDefaults.maxAgeMs, "Older answers are not given again."),
  maxBytes: shape.number({
    default: fallbackDefaults.maxBytes,
    max: 1024 ** 3,
    integer: true,
    about: "Memory for the last good answers, in bytes; one takes an eighth at most.",
  }),
});

export const splitShape: Shape<SplitOptions> = withRule(
  shape.record(shape.number({ default: 0, max: 100, about: "" }), {
    max: 100,
    key: "version",
    about: "The share of calls that a version takes, in percent; the rest goes to the instances of all other versions.",
  }),
  (split) =>
    Object.values(split).reduce((sum, share) => sum + share, 0) > 100 ? "adds up to more than 100" : undefined,
);

export const routesShape = shape.list(
  withRule(
    shape.object<RouteOptions>({
      header: required(shape.text({ default: undefined, about: "Name of a header of the call." })),
      equals: shape.text({ default: undefined, about: "Its value." }),
      prefix: shape.text({ default: undefined, about: "What it begins with." }),
      version: required(shape.text({ default: undefined, about: "Where such calls go." })),
    }),
    ({ equals, prefix }) =>
      equals !== undefined && prefix !== undefined ? "takes one of equals and prefix" : undefined,
  ),
  { max: 100, about: "Calls with a header go to a version: the first route that fits decides, before any split." },
);

/** A whole number of at least one. */
function count(fallback: number, about: string): Shape<number> {
  return shape.number({ default: fallback, min: 1, max: maxCount, integer: true, about });
}

/** Milliseconds that are not next to nothing. */
function time(fallback: number, about: string): Shape<number> {
  return shape.number({ default: fallback, min: 10, max: maxMs, about });
}
