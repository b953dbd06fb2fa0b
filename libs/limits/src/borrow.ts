import { createHash } from "node:crypto";
import { isWeftError, WeftError } from "@weft/kit";
import { type Bucket, pour, type Quota, remaining, resetMs, waitMs } from "@weft/resilience";
import type { CacheStore } from "@weft/state";

/** What the store is known to hold of a bucket, as of our last look. */
export interface Stored {
  readonly etag: string;
  readonly bucket: Readonly<Bucket>;
}

/** What came of asking the store for calls. */
export interface Borrowed {
  /** Calls that are the asker's now; 0 when there are none. */
  readonly calls: number;
  /** Milliseconds until there is one, where there are none. */
  readonly waitMs: number;
  readonly stored: Stored | undefined;
}

export interface BorrowOptions {
  readonly store: Pick<CacheStore, "get" | "set">;
  readonly key: string;
  readonly quota: Quota;
  /** So many, or as many as there are. */
  readonly want: number;
  /** By the wall clock, in whole milliseconds: all who share a store agree on it more or less. */
  readonly nowMs: number;
  readonly stored: Stored | undefined;
}

/** Each try that fails is one in which somebody else succeeded. */
const maxTries = 20;

/** What wall clocks may differ by before what we know of a bucket is looked at again, in milliseconds. */
const maxSkewMs = 1000;

/**
 * Takes calls out of a bucket in the store, by compare-and-set. `UNAVAILABLE` and its like when the store can't be used,
 * `CONFLICT` when others were faster every time. What it took without hearing so is lost until the bucket drains.
 */
export async function borrow({ store, key, quota, want, nowMs, stored }: BorrowOptions): Promise<Borrowed> {
  let known = stored;
  for (let tries = 0; tries < maxTries; tries += 1) {
    const bucket = known === undefined ? { level: 0, at: nowMs } : { ...known.bucket };
    const calls = Math.min(want, remaining(bucket, quota, nowMs));
    if (calls === 0) {
      // Others only add to what we know of it: what was full is full. Unless a clock was turned back: then the store has
      // forgotten it long before its time comes.
      const isAhead = bucket.at > nowMs + maxSkewMs;
      if (!isAhead) return { calls, waitMs: waitMs(bucket, quota, nowMs), stored: known };
      if (tries > 0) return { calls, waitMs: maxSkewMs, stored: known };
      known = await read(store, key);
      continue;
    }
    pour(bucket, quota, nowMs, calls);
    try {
      const condition = known === undefined ? { ifAbsent: true } : { etag: known.etag };
      // Once it is empty there is nothing to remember. Clocks differ, so some time later.
      const ttlMs = resetMs(bucket, quota, nowMs) + quota.windowMs + 1000;
      const etag = await store.set(key, encode(bucket), { ...condition, ttlMs });
      return { calls, waitMs: 0, stored: { etag, bucket } };
    } catch (error) {
      if (!isWeftError(error, "ETAG_MISMATCH")) throw error;
      known = await read(store, key);
    }
  }
  throw new WeftError("CONFLICT", "others took from the limit each time");
}

async function read(store: Pick<CacheStore, "get">, key: string): Promise<Stored | undefined> {
  const entry = await store.get(key);
  if (entry === undefined) return undefined;
  const bytes = Buffer.from(entry.value);
  if (bytes.length !== 16) throw new WeftError("DATA_LOSS", "the stored state of a limit can't be read");
  return { etag: entry.etag, bucket: { level: bytes.readDoubleBE(0), at: bytes.readDoubleBE(8) } };
}

function encode({ level, at }: Bucket): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeDoubleBE(level, 0);
  bytes.writeDoubleBE(at, 8);
  return bytes;
}

/**
 * Where the store has the bucket of a key. Hashed, so that it has a length that every store takes and names nobody. The
 * quota is part of it: processes that are configured otherwise for a moment don't read each other's numbers.
 */
export function storeKey(limit: string, { count, windowMs }: Quota, key: string): string {
  const hash = createHash("sha256").update(`${count}/${windowMs}\n${key}`).digest("base64url");
  return `${limit}/${hash.slice(0, 27)}`;
}
