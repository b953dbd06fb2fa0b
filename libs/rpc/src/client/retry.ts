import type { StatusObject } from "@grpc/grpc-js";
import { backoffMs, type WeftError } from "@weft/kit";
import { isRefusal } from "../wire/status.ts";
import type { RetryBudget } from "./budget.ts";
import type { ClientPlan } from "./plan.ts";

const mostTries = 3;

/**
 * Milliseconds to wait before a failed try is made again, or undefined when it must not be. Tries are repeated for
 * `UNAVAILABLE` alone: where the contract says so, or where the server has refused before doing anything.
 */
export function retryAfter(
  failure: {
    readonly status: StatusObject;
    readonly error: WeftError;
    readonly tries: number;
    readonly deadline: number;
  },
  plan: ClientPlan,
  budget: RetryBudget,
): number | undefined {
  const { status, error, tries, deadline } = failure;
  if (error.code !== "UNAVAILABLE" || tries >= mostTries) return undefined;
  if (!plan.retryable && !isRefusal(status)) return undefined;
  const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(tries, { initialMs: 50, maxMs: 1_000 }));
  if (Date.now() + waitMs >= deadline) return undefined;
  return budget.withdraw() ? waitMs : undefined;
}
