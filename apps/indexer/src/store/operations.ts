import { createHash } from "node:crypto";
import { isWeftError } from "@weft/kit";
import { decodeDefinition, encodeDefinition } from "@weft/search";
import type { StateEntry, StateOperation, StateStore } from "@weft/state";
import type { Operation } from "../domain/operation.ts";

/** How long an operation that ended can be asked for, in milliseconds. */
const keepMs = 7 * 86_400_000;
/** Operations under way that are looked at. */
const maxRunning = 1000;

/** An operation as it was read: what is written over it has to be the next. */
export interface StoredOperation {
  readonly operation: Operation;
  readonly etag: string;
}

/** The request that asked for an operation: the same one again is about the same operation. */
export interface RequestOf {
  /** Of {@link requestKey}. */
  readonly key: string;
  /** Of what was asked for. */
  readonly fingerprint: string;
}

export interface Answered {
  readonly operationId: string;
  readonly fingerprint: string;
}

const operationKey = (id: string): string => `operation/${id}`;
const runningPrefix = "running/";
const runningKey = (index: string): string => `${runningPrefix}${index}`;

/** Where the store has the answer to a request. Callers choose their request ids. */
export function requestKey(caller: string, requestId: string): string {
  return `request/${createHash("sha256")
    .update(JSON.stringify([caller, requestId]))
    .digest("base64url")}`;
}

/**
 * The operations on indexes. Of each index at most one is under way, which its entry `running/<index>` names.
 * The store is asked for at each use: the indexer starts without it.
 */
export class Operations {
  readonly #store: () => Promise<Pick<StateStore, "get" | "set" | "transaction" | "range">>;

  constructor(store: () => Promise<Pick<StateStore, "get" | "set" | "transaction" | "range">>) {
    this.#store = store;
  }

  async find(id: string): Promise<StoredOperation | undefined> {
    const entry = await (await this.#store()).get(operationKey(id));
    return entry && { operation: decode(entry), etag: entry.etag };
  }

  /** Id of the operation that is under way on an index. */
  async runningOn(index: string): Promise<string | undefined> {
    const entry = await (await this.#store()).get(runningKey(index));
    return entry && Buffer.from(entry.value).toString();
  }

  /** Ids of all that are under way. */
  async running(): Promise<readonly string[]> {
    const entries = await (await this.#store()).range({ prefix: runningPrefix, limit: maxRunning });
    return entries.map(({ value }) => Buffer.from(value).toString());
  }

  async answered(key: string): Promise<Answered | undefined> {
    const entry = await (await this.#store()).get(key);
    return entry && (JSON.parse(Buffer.from(entry.value).toString()) as Answered);
  }

  /** Whether it has begun: false when another one is under way on the index, or the request was answered meanwhile. */
  async begin(operation: Operation, request: RequestOf | undefined): Promise<boolean> {
    const put = (key: string, text: string, ttlMs?: number): StateOperation => {
      return { kind: "set", key, value: Buffer.from(text), ifAbsent: true, ...(ttlMs === undefined ? {} : { ttlMs }) };
    };
    const answer: Answered | undefined = request && { operationId: operation.id, fingerprint: request.fingerprint };
    try {
      await (
        await this.#store()
      ).transaction([
        put(operationKey(operation.id), encode(operation)),
        put(runningKey(operation.index), operation.id),
        ...(request === undefined ? [] : [put(request.key, JSON.stringify(answer), keepMs)]),
      ]);
      return true;
    } catch (error) {
      if (isWeftError(error, "ETAG_MISMATCH")) return false;
      throw error;
    }
  }

  /** Writes the next state of one that is under way. `ETAG_MISMATCH` when somebody else did. */
  async save({ etag }: StoredOperation, operation: Operation): Promise<StoredOperation> {
    const value = Buffer.from(encode(operation));
    return { operation, etag: await (await this.#store()).set(operationKey(operation.id), value, { etag }) };
  }

  /** Writes the end of one, and lets the next on the index begin. `ETAG_MISMATCH` when somebody else has written. */
  async end({ etag }: StoredOperation, operation: Operation): Promise<void> {
    const value = Buffer.from(encode(operation));
    await (
      await this.#store()
    ).transaction([
      { kind: "set", key: operationKey(operation.id), value, etag, ttlMs: keepMs },
      { kind: "delete", key: runningKey(operation.index) },
    ]);
  }
}

function encode({ definition, ...rest }: Operation): string {
  return JSON.stringify({ ...rest, ...(definition && { definition: encodeDefinition(definition) }) });
}

function decode({ value }: StateEntry): Operation {
  const { definition, ...rest } = JSON.parse(Buffer.from(value).toString()) as Omit<Operation, "definition"> & {
    readonly definition?: string;
  };
  return { ...rest, ...(definition === undefined ? {} : { definition: decodeDefinition(definition) }) };
}
