import { createHash } from "node:crypto";
import { type Clock, type NewId, WeftError } from "@weft/kit";
import { checkReindex, encodeDefinition, type IndexDefinition, sameDefinition, type SearchEngine } from "@weft/search";
import { newOperation, type Operation } from "../domain/operation.ts";
import { usersIndex } from "../domain/users-index.ts";
import { type Operations, requestKey, type RequestOf } from "../store/operations.ts";

export interface ReindexContext {
  readonly engine: Pick<SearchEngine, "getIndex" | "reindex">;
  readonly operations: Operations;
  readonly clock: Clock;
  readonly newId: NewId;
}

export interface ReindexInput {
  readonly index: string;
  /** Unset: the one that the index has. */
  readonly definition: IndexDefinition | undefined;
  /** Who asks: request ids are theirs. */
  readonly caller: string;
  /** Empty for a request that is never repeated. */
  readonly requestId: string;
}

/**
 * Asks for an index to be built anew; `runOperations` of one of the replicas does it. A request id that was answered
 * within a week gets the same operation, or `IDEMPOTENCY_CONFLICT` when it asks for something else. `FAILED_PRECONDITION`
 * while another one is under way on the index, and for another definition of an index that follows events.
 */
export async function startReindex(context: ReindexContext, input: ReindexInput): Promise<Operation> {
  const { operations } = context;
  const { index, definition } = input;
  const request = requestOf(input);
  const before = request && (await answered(operations, request));
  if (before !== undefined) return before;
  const { definition: old } = await context.engine.getIndex(index);
  checkReindex(old, definition);
  if (index === usersIndex.index && definition !== undefined && !sameDefinition(definition, usersIndex)) {
    throw new WeftError("FAILED_PRECONDITION", `the index ${index} follows events and keeps its definition`, {
      metadata: { index },
    });
  }
  const operation = newOperation({ id: context.newId(), index, definition, createTime: context.clock.now() });
  if (await operations.begin(operation, request)) return operation;
  // The same request may have come twice at the same time.
  const meanwhile = request && (await answered(operations, request));
  if (meanwhile !== undefined) return meanwhile;
  const running = await operations.runningOn(index);
  throw new WeftError("FAILED_PRECONDITION", `the index ${index} is being built anew already`, {
    metadata: { index, ...(running === undefined ? {} : { operation: running }) },
  });
}

/** `NOT_FOUND` also for one that ended more than a week ago. */
export async function getOperation(operations: Operations, id: string): Promise<Operation> {
  const stored = await operations.find(id);
  if (stored === undefined) throw new WeftError("NOT_FOUND", "there is no such operation", { metadata: { id } });
  return stored.operation;
}

function requestOf({ index, definition, caller, requestId }: ReindexInput): RequestOf | undefined {
  if (requestId === "") return undefined;
  const asked = JSON.stringify([index, definition === undefined ? "" : encodeDefinition(definition)]);
  return { key: requestKey(caller, requestId), fingerprint: createHash("sha256").update(asked).digest("base64url") };
}

async function answered(operations: Operations, { key, fingerprint }: RequestOf): Promise<Operation | undefined> {
  const answer = await operations.answered(key);
  if (answer === undefined) return undefined;
  if (answer.fingerprint === fingerprint) return (await operations.find(answer.operationId))?.operation;
  throw new WeftError("IDEMPOTENCY_CONFLICT", "the request id was used for another reindex");
}
