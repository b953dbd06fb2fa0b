import type { OnDecision } from "../decision.ts";
import { RollingShare } from "../rolling-share.ts";
import { RetryBudget } from "./budget.ts";
import { retryDefaults, type RetryOptions } from "./options.ts";
import { type FailedTry, retryAfter, type RetryVerdict } from "./retry-after.ts";

/** Window in which a target's refusals are counted, in milliseconds, and the answers that it takes to judge. */
const overload = { windowMs: 10_000, minimumAnswers: 10 } as const;

/** What {@link Retries} are made of. */
export interface RetriesParts {
  /** Name of the service. */
  readonly target: string;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly options?: RetryOptions;
  readonly onDecision?: OnDecision;
}

/**
 * The retries of one caller to one target: what {@link retryAfter} allows, within the budget, and none while the target
 * as a whole is too busy (law O1: then a retry takes the place of a first try). Tells `retried`, and `refused` for what
 * budget or overload forbade. Times are monotonic milliseconds.
 */
export class Retries {
  readonly #parts: RetriesParts;
  readonly #budget: RetryBudget;
  readonly #answers = new RollingShare(overload.windowMs);
  #options: Required<RetryOptions>;

  constructor(parts: RetriesParts) {
    this.#parts = parts;
    this.#options = { ...retryDefaults, ...parts.options };
    this.#budget = new RetryBudget(budgetOf(this.#options));
  }

  /** From now on; what is left out goes back to its default. */
  configure(options: RetryOptions): void {
    this.#options = { ...retryDefaults, ...options };
    this.#budget.configure(budgetOf(this.#options));
  }

  /** A call began, be it a stream or a single one. */
  began(nowMs: number): void {
    this.#budget.deposit(nowMs);
  }

  /** A try came back from the target. `isTooBusy`: turned down with `RESOURCE_EXHAUSTED` before any handler ran. */
  answered(nowMs: number, isTooBusy: boolean): void {
    this.#answers.add(nowMs, isTooBusy);
  }

  /** Whether the target turns down so many tries that another one makes things worse. */
  isOverloaded(nowMs: number): boolean {
    const count = this.#answers.count(nowMs);
    return count >= overload.minimumAnswers && this.#answers.marked(nowMs) > count * this.#options.overloadShare;
  }

  /** Whether to try again, and when. A yes has been taken from the budget. */
  next(failed: FailedTry, nowMs: number): RetryVerdict {
    const verdict = retryAfter(failed, this.#options, this.#parts.random);
    if ("no" in verdict) return verdict;
    if (this.isOverloaded(nowMs)) return this.#forbid("overloaded", failed);
    if (!this.#budget.withdraw(nowMs)) return this.#forbid("budget-spent", failed);
    this.#tell("retried", failed, failed.isRefused ? "refused" : "failed");
    return verdict;
  }

  #forbid(no: "overloaded" | "budget-spent", failed: FailedTry): RetryVerdict {
    this.#tell("refused", failed, no === "overloaded" ? "retry-overloaded" : "retry-budget");
    return { no };
  }

  #tell(kind: "retried" | "refused", { method }: FailedTry, reason: string): void {
    this.#parts.onDecision?.({ kind, target: this.#parts.target, method, reason });
  }
}

function budgetOf({ budgetShare, budgetBurst, budgetPerSecond }: Required<RetryOptions>) {
  return { share: budgetShare, burst: budgetBurst, perSecond: budgetPerSecond };
}
