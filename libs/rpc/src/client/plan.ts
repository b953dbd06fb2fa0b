import type { DescMethod, Message } from "@bufbuild/protobuf";
import { contractOf } from "@weft/contracts";
import type { NewId } from "@weft/kit";
import { isGoverned } from "../governed.ts";

/** What a client knows of a method before any call of it. */
export interface ClientPlan {
  /** `/weft.user.v1.UserService/GetUser` */
  readonly path: string;
  /** `weft.user.v1.UserService/GetUser` */
  readonly name: string;
  readonly timeoutMs: number;
  /** May be sent twice. */
  readonly retryable: boolean;
  /** Has no side effect. */
  readonly isRead: boolean;
  readonly requestIdField: string | undefined;
}

/** Deadline for methods that have no contract, in milliseconds. */
const defaultTimeoutMs = 10_000;

const known = new WeakMap<DescMethod, ClientPlan>();

/** The plan of a method, made once. */
export function clientPlanOf(method: DescMethod): ClientPlan {
  let plan = known.get(method);
  if (plan === undefined) {
    plan = readPlan(method);
    known.set(method, plan);
  }
  return plan;
}

function readPlan(method: DescMethod): ClientPlan {
  const name = `${method.parent.typeName}/${method.name}`;
  const path = `/${name}`;
  if (!isGoverned(method.parent.typeName)) {
    const timeoutMs = method.methodKind === "unary" ? defaultTimeoutMs : Number.POSITIVE_INFINITY;
    return { path, name, timeoutMs, retryable: false, isRead: false, requestIdField: undefined };
  }
  const { timeoutMs, retryable, noSideEffects, requestIdField } = contractOf(method);
  return { path, name, timeoutMs, retryable, isRead: noSideEffects, requestIdField };
}

/** The request with an id of its own where the contract has a place for one and the caller left it empty (AIP-155). */
export function withRequestId(plan: ClientPlan, request: Message, newId: NewId): Message {
  if (plan.requestIdField === undefined || Reflect.get(request, plan.requestIdField) !== "") return request;
  // The caller's message stays as it is. A flat copy does: it is only written to the wire.
  const copy: Message = Object.assign(Object.create(Object.getPrototypeOf(request)), request);
  Reflect.set(copy, plan.requestIdField, newId());
  return copy;
}
