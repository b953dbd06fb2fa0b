export type { PickRequest } from "./balancing/balancer.ts";
export { Cluster } from "./balancing/cluster.ts";
export type { CallFacts, ClusterOptions, ClusterPolicy } from "./balancing/cluster-options.ts";
export type { ClusterDescription, EndpointDescription, EndpointState } from "./balancing/describe.ts";
export { Endpoint, type EndpointFacts, type Outcome } from "./balancing/endpoint.ts";
export {
  balancingDefaults,
  type BalancingOptions,
  balancingPolicies,
  type BalancingPolicy,
  type WarmUpOptions,
} from "./balancing/options.ts";
export type { RouteOptions, SplitOptions } from "./balancing/versions.ts";
export {
  Breaker,
  type BreakerParts,
  type BreakerPass,
  type BreakerState,
  type BreakerWaiter,
  type ClosedState,
  type HalfOpenState,
  type OpenState,
} from "./breaker/breaker.ts";
export { Breakers, type BreakersParts } from "./breaker/breakers.ts";
export { breakerDefaults, type BreakerOptions } from "./breaker/options.ts";
export { Bulkhead, bulkheadDefaults, type BulkheadOptions, type BulkheadParts } from "./bulkhead/bulkhead.ts";
export type { Decision, DecisionKind, OnDecision } from "./decision.ts";
export { LastAnswers } from "./fallback/last-answers.ts";
export { fallbackDefaults, type FallbackOptions } from "./fallback/options.ts";
export { Hedges, type HedgesParts, hedgingDefaults, type HedgingOptions } from "./hedging/hedges.ts";
export { outlierDefaults, type OutlierOptions } from "./outlier/options.ts";
export {
  type CallPolicies,
  type CallPolicy,
  callPolicyOf,
  callPolicyShape,
  readCallPolicies,
  saidOf,
} from "./policy/call-policy.ts";
export { overloadShape, readOverload } from "./policy/overload.ts";
export type { Shape } from "./policy/shape.ts";
export { type BudgetOptions, RetryBudget } from "./retry/budget.ts";
export { retryDefaults, type RetryOptions } from "./retry/options.ts";
export { Retries, type RetriesParts } from "./retry/retries.ts";
export { type FailedTry, type NoRetry, retryAfter, type RetryVerdict } from "./retry/retry-after.ts";
export {
  type Bucket,
  type Draw,
  type Importance,
  levelAt,
  Limiter,
  type LimiterOptions,
  parseQuota,
  pour,
  type Quota,
  quotaForm,
  RecentKeys,
  type RecentKeysOptions,
  remaining,
  resetMs,
  type Standing,
  Tightening,
  type TighteningOptions,
  type Verdict,
  waitMs,
} from "./limits/index.ts";
export {
  Admission,
  concurrencyDefaults,
  ConcurrencyLimiter,
  type ConcurrencyOptions,
  degradeDefaults,
  type DegradeOptions,
  DegradeScore,
  type WorkedCall,
  isPriority,
  LoopTurns,
  overloadDefaults,
  type OverloadOptions,
  priorities,
  type Priority,
  type Strain,
  type StrainPart,
  turnDefaults,
  type TurnOptions,
} from "./overload/index.ts";
