import type { TraceContext } from "@weft/telemetry";
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
  /** Metadata of the request: lower-case names, text values only. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** What a caller says of a call. */
export interface CallOptions {
  /** The call being served: its deadline, trace and token are passed on. */
  readonly parent?: Pick<CallContext, "signal" | "deadline" | "trace" | "authorization">;
  /** Gives up. */
  readonly signal?: AbortSignal;
  /** Milliseconds; the smallest of this, the contract's timeout and the parent's remaining time counts. */
  readonly timeoutMs?: number;
  /** `Bearer …`; default the parent's. */
  readonly authorization?: string;
  /** Default the parent's. */
  readonly trace?: TraceContext;
  readonly metadata?: Readonly<Record<string, string>>;
}
