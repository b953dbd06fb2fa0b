import { type DescMethod, getOption, hasOption } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { http, type HttpRule } from "./google.ts";
import { type MethodPolicy, policy } from "./options.ts";

/** What a method says of itself in its `.proto`, read once. */
export interface MethodContract {
  /** `weft.user.v1.UserService/GetUser` */
  readonly name: string;
  readonly policy: MethodPolicy;
  /** Deadline when the caller gives none, and the longest that a server grants, in milliseconds. */
  readonly timeoutMs: number;
  /** May be sent again without thought: it has no side effect, is idempotent, or carries a request id. */
  readonly retryable: boolean;
  readonly noSideEffects: boolean;
  /** Request field that makes a retry safe (AIP-155), where there is one. */
  readonly requestIdField: string | undefined;
  /** Its route at the gateway; undefined for a method that has none. */
  readonly http: HttpRule | undefined;
}

const known = new WeakMap<DescMethod, MethodContract>();

/** The contract of a method. Throws for a method without a policy: that is a bug of its `.proto`. */
export function contractOf(method: DescMethod): MethodContract {
  let contract = known.get(method);
  if (contract === undefined) {
    contract = readContract(method);
    known.set(method, contract);
  }
  return contract;
}

function readContract(method: DescMethod): MethodContract {
  const name = `${method.parent.typeName}/${method.name}`;
  if (!hasOption(method, policy)) throw new Error(`${name} has no (weft.options.v1.policy)`);
  const methodPolicy = getOption(method, policy);
  const { timeout } = methodPolicy;
  if (timeout === undefined) throw new Error(`${name} has no timeout in its policy`);
  const requestIdField = method.input.fields.find((field) => field.name === "request_id")?.localName;
  const noSideEffects = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  return {
    name,
    policy: methodPolicy,
    timeoutMs: Number(timeout.seconds) * 1000 + timeout.nanos / 1e6,
    retryable:
      noSideEffects || method.idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENT || requestIdField !== undefined,
    noSideEffects,
    requestIdField,
    http: hasOption(method, http) ? getOption(method, http) : undefined,
  };
}
