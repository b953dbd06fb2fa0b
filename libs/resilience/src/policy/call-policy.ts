import { type FieldViolation, isJsonObject, type JsonObject, type JsonValue, mergePatch } from "@weft/kit";
import type { BalancingOptions } from "../balancing/options.ts";
import type { RouteOptions, SplitOptions } from "../balancing/versions.ts";
import type { BreakerOptions } from "../breaker/options.ts";
import type { BulkheadOptions } from "../bulkhead/bulkhead.ts";
import type { FallbackOptions } from "../fallback/options.ts";
import type { HedgingOptions } from "../hedging/hedges.ts";
import type { OutlierOptions } from "../outlier/options.ts";
import type { RetryOptions } from "../retry/options.ts";
import {
  balancingShape,
  breakerShape,
  bulkheadShape,
  fallbackShape,
  hedgingShape,
  outliersShape,
  retryShape,
  routesShape,
  splitShape,
} from "./sections.ts";
import { path, shape } from "./shape.ts";

/** How a process calls one target. Plain JSON, with a value for all that has a default. */
export interface CallPolicy {
  readonly balancing: BalancingOptions;
  readonly outliers: OutlierOptions;
  readonly retry: RetryOptions;
  readonly hedging: HedgingOptions;
  readonly breaker: BreakerOptions;
  readonly bulkhead: BulkheadOptions;
  readonly fallback: FallbackOptions;
  readonly split: SplitOptions;
  readonly routes: readonly RouteOptions[];
}

/** What a {@link CallPolicy} is read by, and the reference written from. */
export const callPolicyShape = shape.object<CallPolicy>({
  balancing: balancingShape,
  outliers: outliersShape,
  retry: retryShape,
  hedging: hedgingShape,
  breaker: breakerShape,
  bulkhead: bulkheadShape,
  fallback: fallbackShape,
  split: splitShape,
  routes: routesShape,
});

/** Policies as they are written: by the name of the target, with only what is to differ from what was said before. */
export type CallPolicies = JsonObject;

/** The policy of every target under all others. */
const everyTarget = "*";

/** Policies for single targets that one object may hold: a process calls few. */
const maxTargets = 1000;

/** The policies that a JSON value says, or every problem that it has, by path: `user.retry.maxTries`. */
export function readCallPolicies(
  value: JsonValue,
): { readonly value: CallPolicies } | { readonly problems: readonly FieldViolation[] } {
  if (!isJsonObject(value))
    return { problems: [{ field: "", description: "must be an object of policies by target" }] };
  const problems: FieldViolation[] = [];
  const targets = Object.entries(value);
  if (targets.length > maxTargets)
    problems.push({ field: "", description: `must be of at most ${maxTargets} targets` });
  for (const [target, policy] of targets) callPolicyShape.read(policy, path("", target), problems);
  if (problems.length > 0) return { problems };
  // What is fine on its own may break a rule together with what is said of all.
  for (const target of Object.keys(value)) callPolicyShape.read(saidOf(target, value), path("", target), problems);
  return problems.length === 0 ? { value } : { problems };
}

/** The policy for calls to a target: defaults, then what is said of all (`*`), then what is said of this one. */
export function callPolicyOf(target: string, policies: CallPolicies = {}): CallPolicy {
  return callPolicyShape.read(saidOf(target, policies), "", []);
}

/** What is said of calls to a target, by all that holds for it; `{}` where everything is as by default. */
export function saidOf(target: string, policies: CallPolicies): JsonValue {
  return mergePatch(policies[everyTarget] ?? {}, policies[target] ?? {});
}
