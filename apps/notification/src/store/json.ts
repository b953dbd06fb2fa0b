import { WeftError } from "@weft/kit";
import type { StateEntry } from "@weft/state";

/** A value as it is stored. */
export function encode(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** A value that {@link encode} wrote; `T` is decided by the key it is under. */
export function decode<T>(entry: StateEntry): T {
  try {
    return JSON.parse(Buffer.from(entry.value).toString()) as T;
  } catch (cause) {
    throw new WeftError("DATA_LOSS", "a stored value can't be read", { cause });
  }
}
