import { createHash } from "node:crypto";
import { create, type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { contractOf } from "@weft/contracts";
import { Fallback } from "@weft/contracts/options";
import { type Clock, isWeftError, systemClock } from "@weft/kit";
import { type FallbackOptions, LastAnswers, type OnDecision } from "@weft/resilience";
import type { CallOptions, FallbackAnswer } from "../context.ts";
import { isGoverned } from "../governed.ts";
import type { Transport } from "../transport.ts";
import { tellDegraded } from "./degraded.ts";
import { expiryOf } from "./token-expiry.ts";

/** What {@link withFallback} is made of. */
export interface FallbackParts {
  /** Name of the service. */
  readonly target: string;
  readonly clock?: Clock;
  readonly options?: FallbackOptions;
  readonly onDecision?: OnDecision;
}

/** A transport that answers where its target can't. */
export interface FallbackTransport extends Transport {
  /** From now on; what is left out goes back to its default. */
  configureFallback(options: FallbackOptions): void;
}

/** An answer that is kept is encoded anew at most this often, in milliseconds. */
const refreshMs = 1_000;

/** So long a call that has a fallback waits for an instance to be there, in milliseconds. */
const patienceMs = 500;

/**
 * Answers unary calls by the contract's `fallback` when the target can't: it can't be reached, is too busy or too late,
 * its breaker is open. With the last good answer to the very same request of the same caller, or an empty one; both say
 * so in their field `degraded`, where they have one, and by `onFallback`. Whatever else the target says is passed on,
 * and kept unless it says itself that it is degraded.
 *
 * Nobody gets what another caller was told: answers are kept under the token that the target took for good, to the
 * letter, and given only until it expires.
 */
export function withFallback(transport: Transport, parts: FallbackParts): FallbackTransport {
  const fallbacks = new Fallbacks(parts);
  return {
    unary: (method, request, options) => {
      const plan = fallbackPlanOf(method);
      return plan === undefined
        ? transport.unary(method, request, options)
        : fallbacks.call(plan, { request, options: options ?? {} }, (patient) =>
            transport.unary(method, request, patient),
          );
    },
    stream: (method, requests, options) => transport.stream(method, requests, options),
    configureFallback: (options) => fallbacks.configure(options),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

interface Call {
  readonly request: Message;
  readonly options: CallOptions;
}

class Fallbacks {
  readonly #parts: FallbackParts;
  readonly #clock: Clock;
  readonly #answers: LastAnswers;
  #isEnabled: boolean;

  constructor(parts: FallbackParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#answers = new LastAnswers(parts.options);
    this.#isEnabled = parts.options?.enabled ?? true;
  }

  configure(options: FallbackOptions): void {
    this.#isEnabled = options.enabled ?? true;
    this.#answers.configure(options);
  }

  async call(plan: FallbackPlan, call: Call, make: (options: CallOptions) => Promise<Message>): Promise<Message> {
    const key = this.#isEnabled ? keyOf(plan, call) : undefined;
    if (key === undefined) return make(call.options);
    const ageMs = this.#answers.ageMs(key, this.#clock.monotonic());
    const hasAnswer = ageMs !== undefined || plan.orEmpty;
    let isMarked = false;
    const onFallback = (answer: FallbackAnswer): void => {
      isMarked = true;
      call.options.onFallback?.(answer);
    };
    try {
      const response = await make({ ...(hasAnswer && { patienceMs }), ...call.options, onFallback });
      if (!isMarked && (ageMs === undefined || ageMs >= refreshMs)) this.#keep(plan, key, response);
      return response;
    } catch (error) {
      const answer = mayAnswer(error, call.options) ? this.#answer(plan, key, call.options) : undefined;
      if (answer === undefined) throw error;
      return answer;
    }
  }

  #keep({ method, markDegraded }: FallbackPlan, key: string, response: Message): void {
    // What is degraded already is no good answer.
    if (markDegraded !== undefined && Reflect.get(response, markDegraded) === true) return;
    this.#answers.put(key, toBinary(method.output, response), this.#clock.monotonic());
  }

  #answer(plan: FallbackPlan, key: string, options: CallOptions): Message | undefined {
    const nowMs = this.#clock.monotonic();
    const ageMs = this.#answers.ageMs(key, nowMs) ?? 0;
    const expired = this.#clock.now() >= expiryOf(authorizationOf(options));
    const kept = expired ? undefined : this.#answers.find(key, nowMs);
    if (kept === undefined && !plan.orEmpty) return undefined;
    const kind = kept === undefined ? "empty" : "cached";
    const answer = kept === undefined ? create(plan.method.output) : fromBinary(plan.method.output, kept);
    if (plan.markDegraded !== undefined) Reflect.set(answer, plan.markDegraded, true);
    this.#parts.onDecision?.({ kind: "fallback", target: this.#parts.target, method: plan.name, reason: kind });
    tellDegraded(options, { kind, ageMs: kept === undefined ? 0 : ageMs });
    return answer;
  }
}

/** What the contract says of a method that has a fallback. */
interface FallbackPlan {
  readonly method: DescMethod;
  readonly name: string;
  /** Whether an empty answer is better than none. */
  readonly orEmpty: boolean;
  /** The response's field that says that it is degraded, where there is one. */
  readonly markDegraded: string | undefined;
}

const plans = new WeakMap<DescMethod, FallbackPlan | "none">();

function fallbackPlanOf(method: DescMethod): FallbackPlan | undefined {
  let plan = plans.get(method);
  if (plan === undefined) {
    plan = readPlan(method) ?? "none";
    plans.set(method, plan);
  }
  return plan === "none" ? undefined : plan;
}

function readPlan(method: DescMethod): FallbackPlan | undefined {
  if (method.methodKind !== "unary" || !isGoverned(method.parent.typeName)) return undefined;
  const { name, policy, noSideEffects } = contractOf(method);
  // Whoever writes is to know whether it was written.
  if (policy.fallback === Fallback.UNSPECIFIED || !noSideEffects) return undefined;
  const field = method.output.fields.find((one) => one.name === "degraded" && one.fieldKind === "scalar");
  return { method, name, orEmpty: policy.fallback === Fallback.EMPTY, markDegraded: field?.localName };
}

/**
 * Whether the target failed to answer, as against answering with an error: that the caller made too many calls is one.
 * Nobody waits any longer for one who gave up.
 */
function mayAnswer(error: unknown, { signal, parent }: CallOptions): boolean {
  if (signal?.aborted || parent?.signal.aborted) return false;
  if (isWeftError(error, "RATE_LIMITED")) return false;
  return isWeftError(error, "UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED");
}

/** Who asks what, as a digest: neither tokens nor questions are kept. Undefined for what can't be sent anyway. */
function keyOf({ method, name }: FallbackPlan, { request, options }: Call): string | undefined {
  let bytes: Uint8Array;
  try {
    bytes = toBinary(method.input, request);
  } catch {
    return undefined;
  }
  const metadata = Object.entries(options.metadata ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const who = JSON.stringify([name, authorizationOf(options) ?? null, metadata]);
  return createHash("sha256").update(who).update("\0").update(bytes).digest("base64");
}

function authorizationOf({ authorization, parent }: CallOptions): string | undefined {
  return authorization ?? parent?.authorization;
}
