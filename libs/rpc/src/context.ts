import type { TraceContext } from "@weft/telemetry";
import type { Priority } from "@weft/resilience";
import type { Principal } from "@weft/security";

/**
 * What a handler knows of the call that it serves. Pass it on whole, as `parent`: its parts are made when they are
 * asked for, so a copy made by spreading has none of them.
 */
export interface CallContext {
  /** Aborted when the caller gave up or the deadline passed: stop working. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch: the caller's or the contract's, the earlier. `Infinity` for standard protocols only. */
  readonly deadline: number;
  readonly trace: TraceContext;
  /** Who calls; undefined without a token. What the contract asks for has been checked already. */
  readonly principal: Principal | undefined;
  /** The caller's token as it came, to be passed on in calls made for it. */
  readonly authorization: string | undefined;
  /** How much the call matters: what its caller said, or what the contract says of the method. */
  readonly priority: Priority;
  /**
   * Whether the server is under strain (slow, failing, out of processor time): leave out what an answer can do without.
   * See `DegradeScore` of `@weft/resilience`.
   */
  readonly degraded: boolean;
  /** Metadata of the request: lower-case names, text values only. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * Of a response stream: tells the caller that nothing is wrong with the request, by sending the initial metadata. For
   * streams whose first response may be long in coming. After the first response it does nothing.
   */
  accept(): void;
  /**
   * Tells the caller that the answer is not all that it could be, as something stood in for what it is made of. Calls
   * made with this context as their `parent` do so themselves when they are answered by a fallback: who forgets it would
   * pass off old news as fresh. After the answer it does nothing.
   */
  markDegraded(answer: FallbackAnswer): void;
}

/** What a caller says of a call. */
export interface CallOptions {
  /**
   * The call being served: its deadline, trace, token and priority are passed on, and its answer is marked as degraded
   * when this one's is.
   */
  readonly parent?: Pick<CallContext, "signal" | "deadline" | "trace" | "authorization"> &
    Partial<Pick<CallContext, "priority" | "markDegraded">>;
  /** How much the call matters when its server has no room for all. Default the parent's, else the contract's. */
  readonly priority?: Priority;
  /** Gives up. */
  readonly signal?: AbortSignal;
  /** Milliseconds; the smallest of this, the contract's timeout and the parent's remaining time counts. */
  readonly timeoutMs?: number;
  /** `Bearer …`; default the parent's. */
  readonly authorization?: string;
  /** Default the parent's. */
  readonly trace?: TraceContext;
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Headers of the request that the call is made for, by lower-case name, where metadata has none of that name: for policies
   * that go by headers. They are not sent.
   */
  readonly header?: (name: string) => string | undefined;
  /**
   * What calls that belong together share, for policies that keep them together. Default: what the policy reads; of a
   * call with a stream of requests that is no field, as none is there yet.
   */
  readonly key?: string;
  /** How long the call waits for an instance to be there, in milliseconds. Default 2,000. */
  readonly patienceMs?: number;
  /** Of a response stream: told when the target has accepted it, before its first response; not after its end. */
  readonly onAccepted?: () => void;
  /**
   * Told when the target could not answer, and something else did by the contract's `fallback`; and when the target says
   * so of its own answer. Before the call resolves, of a stream at its end. Must not throw.
   */
  readonly onFallback?: (answer: FallbackAnswer) => void;
}

/**
 * What answered in a target's place: the last good answer to the same request, an empty one, or the target itself with
 * a part that stood in for another.
 */
export interface FallbackAnswer {
  readonly kind: "cached" | "empty" | "partial";
  /** How old it, or the oldest of its parts, is, in milliseconds; 0 for an empty one, and where it is not known. */
  readonly ageMs: number;
}
