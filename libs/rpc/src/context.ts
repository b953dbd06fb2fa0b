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
}

/** What a caller says of a call. */
export interface CallOptions {
  /** The call being served: its deadline, trace, token and priority are passed on. */
  readonly parent?: Pick<CallContext, "signal" | "deadline" | "trace" | "authorization"> &
    Partial<Pick<CallContext, "priority">>;
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
  /** What calls that belong together share, for policies that keep them together. Default: what the policy reads. */
  readonly key?: string;
  /** How long the call waits for an instance to be there, in milliseconds. Default 2,000. */
  readonly patienceMs?: number;
  /** Of a response stream: told when the target has accepted it, before its first response; not after its end. */
  readonly onAccepted?: () => void;
  /** Told when the target could not answer, and something else did by the contract's `fallback`. */
  readonly onFallback?: (answer: FallbackAnswer) => void;
}

/** What answered in a target's place: the last good answer to the same request, or an empty one. */
export interface FallbackAnswer {
  readonly kind: "cached" | "empty";
  /** How old it is, in milliseconds; 0 for an empty one. */
  readonly ageMs: number;
}
