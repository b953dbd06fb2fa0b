import { randomBytes } from "node:crypto";
import { WeftError } from "@weft/kit";
import type { StateEntry } from "@weft/state";

/** Bytes of an etag, which stands before each value. All of it is ASCII. */
export const etagBytes = 24;
const counterDigits = 8;

/**
 * The etags that one handle gives: 96 random bits of its own, then a counter. None is given twice, whoever deletes what
 * in between (S2), and the writer knows it before the write: so a write without conditions is one plain command.
 */
export class Etags {
  readonly #handle = randomBytes(12).toString("base64url");
  #count = 0;

  next(): string {
    this.#count += 1;
    return this.#handle + this.#count.toString(36).padStart(counterDigits, "0");
  }
}

/** `INVALID_ETAG` for one that no handle gives. */
export function checkEtag(etag: string): void {
  if (!/^[\w-]{16}[0-9a-z]{8}$/.test(etag)) throw new WeftError("INVALID_ETAG", "the etag is not one of this store");
}

/** What is stored: the etag, then the value. */
export function pack(etag: string, value: Uint8Array): Buffer {
  const stored = Buffer.allocUnsafe(etagBytes + value.byteLength);
  stored.write(etag, "latin1");
  stored.set(value, etagBytes);
  return stored;
}

/** `DATA_LOSS` for what is no entry of this store. */
export function unpack(key: string, stored: Buffer): StateEntry {
  if (stored.byteLength < etagBytes)
    throw new WeftError("DATA_LOSS", "something else was stored in the place of a value");
  return { key, value: stored.subarray(etagBytes), etag: stored.toString("latin1", 0, etagBytes) };
}
