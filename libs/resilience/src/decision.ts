/** What the mesh decided about calls on its own, told for logs and metrics. */
export type DecisionKind =
  | "ejected"
  | "readmitted"
  | "panic"
  | "breaker"
  | "retried"
  | "hedged"
  | "refused"
  | "shed"
  | "limited"
  | "fallback"
  | "degraded"
  | "policy";

/** One decision. */
export interface Decision {
  readonly kind: DecisionKind;
  /** The service called, as discovery names it; the process' own name where a server decides. */
  readonly target: string;
  /** Id of the instance that it is about. */
  readonly instance?: string;
  /** `weft.user.v1.UserService/GetUser` */
  readonly method?: string;
  /** Why, in a few fixed words: it becomes a label of a metric. No ids, no input. */
  readonly reason: string;
}

/** Told of every decision, at once and in order. Must not throw. */
export type OnDecision = (decision: Decision) => void;
