import type { DescMethod } from "@bufbuild/protobuf";
import { contractOf } from "@weft/contracts";
import { type Access, RateClass } from "@weft/contracts/options";
import type { Priority } from "@weft/resilience";
import { isGoverned } from "../governed.ts";
import type { AnyHandler } from "../implementation.ts";

/** What the server knows of a method before any call of it. */
export interface MethodPlan {
  readonly method: DescMethod;
  /** `weft.user.v1.UserService/GetUser` */
  readonly name: string;
  readonly handler: AnyHandler | undefined;
  /** Longest time that is granted, in milliseconds. */
  readonly timeoutMs: number;
  /** False for protocol services (health, reflection): open to anybody, and their requests have no rules. */
  readonly governed: boolean;
  readonly access: Access | undefined;
  /** Anybody may call, so a bad token is as good as none. */
  readonly open: boolean;
  /** Ends by the caller's will only: such streams are ended first when the server drains. */
  readonly endless: boolean;
  /** Of calls that name none. */
  readonly priority: Priority;
}

/** Throws for a method of Weft without a policy: better at start than in a call. */
export function planOf(method: DescMethod, handler: AnyHandler | undefined): MethodPlan {
  const name = `${method.parent.typeName}/${method.name}`;
  if (!isGoverned(method.parent.typeName)) {
    const protocol = { governed: false, access: undefined, open: true, endless: true, priority: "critical" } as const;
    return { method, name, handler, timeoutMs: Number.POSITIVE_INFINITY, ...protocol };
  }
  const { timeoutMs, policy } = contractOf(method);
  const { access, stream, rateClass } = policy;
  return {
    method,
    name,
    handler,
    timeoutMs,
    governed: true,
    access,
    open: access?.rule.case === "public",
    endless: stream.case === "serverSentEvents",
    priority: usualPriority(rateClass),
  };
}

/** Of calls of a rate class, where nobody says otherwise. */
export function usualPriority(rateClass: RateClass): Exclude<Priority, "critical"> {
  return rateClass === RateClass.BULK || rateClass === RateClass.STREAM ? "batch" : "interactive";
}
