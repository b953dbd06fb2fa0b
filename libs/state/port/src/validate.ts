import { WeftError } from "@weft/kit";
import type { RangeOptions, SetOptions, StateOperation } from "./state.ts";

const maxKeyBytes = 1024;
const maxValueBytes = 8 * 1024 * 1024;
const maxOperations = 1000;
const maxRange = 1000;

/** `INVALID_ARGUMENT` for a key that no store takes. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes < 1 || bytes > maxKeyBytes) bad(`a key has 1 to ${maxKeyBytes} bytes`);
  // Half a surrogate pair has no UTF-8: it would be stored as another key.
  if (!key.isWellFormed()) bad("a key is well-formed Unicode");
}

/** `INVALID_ARGUMENT` or `PAYLOAD_TOO_LARGE` for a write that no store takes. */
export function checkSet(key: string, value: Uint8Array, options: SetOptions): void {
  checkKey(key);
  if (value.byteLength > maxValueBytes) {
    throw new WeftError("PAYLOAD_TOO_LARGE", `a value has at most ${maxValueBytes} bytes`);
  }
  if (options.ttlMs !== undefined && !(Number.isSafeInteger(options.ttlMs) && options.ttlMs >= 1)) {
    bad("ttlMs is a whole number from 1");
  }
  if (options.etag !== undefined && options.ifAbsent === true) bad("etag and ifAbsent exclude each other");
}

/** `INVALID_ARGUMENT` or `PAYLOAD_TOO_LARGE` for a transaction that no store takes. */
export function checkTransaction(operations: readonly StateOperation[]): void {
  if (operations.length > maxOperations) bad(`a transaction has at most ${maxOperations} operations`);
  for (const operation of operations) {
    if (operation.kind === "set") checkSet(operation.key, operation.value, operation);
    else checkKey(operation.key);
  }
  const keys = new Set(operations.map((operation) => operation.key));
  if (keys.size < operations.length) bad("a transaction touches each key once");
}

/** `INVALID_ARGUMENT` for a range that no store takes. */
export function checkRange(options: RangeOptions): void {
  const { limit } = options;
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= maxRange))
    bad(`limit is a whole number from 1 to ${maxRange}`);
}

function bad(message: string): never {
  throw new WeftError("INVALID_ARGUMENT", message);
}
