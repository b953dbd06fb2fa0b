import { type Bucket, levelAt, pour, type Quota, RecentKeys, remaining, waitMs } from "@weft/resilience";

/** Looks at tokens that may fail, of one address: at once, and then evenly over the time. */
const quota: Quota = { count: 200, windowMs: 10_000 };
/** Addresses, and users at addresses, that are remembered. */
const maxKeys = 20_000;
/** A user who was not seen at an address for so long is a stranger there, in milliseconds. */
const provenMs = 3_600_000;

/** A look that has been paid for. */
export interface Look {
  readonly bucket: Bucket;
}

/** A look that is not made now. */
export interface NoLook {
  /** Milliseconds until one may be. */
  readonly retryAfterMs: number;
}

/**
 * Bounds what false tokens cost: it takes a check of the signature to find out that one is false, at the gateway and
 * again at the service. A look is paid for by the address that the token came from, beforehand, and costs nothing in the
 * end when the token is good. Who shares an address with somebody who floods it (behind a NAT) has a quota of their own
 * there, once a token of theirs was good: it goes by the subject that a token names, which is no more than a claim, but
 * one that a flood would have to guess. Milliseconds of a monotonic clock, whole ones.
 *
 * - D1 In any `t` milliseconds at most `count + t × count / windowMs` looks fail for an address, and as many for each
 *   user who had a good token there.
 * - D2 As long as no look fails, none is refused, however many there are.
 * - D3 What fails at an address takes nothing from other addresses, and nothing from those who had a good token there.
 */
export class Doubts {
  readonly #buckets = new RecentKeys<Bucket>({ maxKeys, idleMs: quota.windowMs });
  readonly #proven = new RecentKeys<true>({ maxKeys, idleMs: provenMs });

  /** A token of which nothing good is known wants to be looked at. */
  look(address: string, authorization: string, nowMs: number): Look | NoLook {
    const bucket = this.#bucketOf(address, nowMs);
    const payer =
      remaining(bucket, quota, nowMs) > 0 ? bucket : (this.#ownBucket(address, authorization, nowMs) ?? bucket);
    if (remaining(payer, quota, nowMs) === 0) return { retryAfterMs: waitMs(payer, quota, nowMs) };
    pour(payer, quota, nowMs);
    return { bucket: payer };
  }

  /** It was good, and is this user's. */
  good(look: Look, { address, subject }: { readonly address: string; readonly subject: string }, nowMs: number): void {
    this.unknown(look, nowMs);
    const key = keyOf(address, subject);
    if (this.#proven.get(key, nowMs) === undefined) this.#proven.set(key, true, nowMs);
  }

  /** It could not be told whether it is good. */
  unknown({ bucket }: Look, nowMs: number): void {
    bucket.level = Math.max(0, levelAt(bucket, quota, nowMs) - quota.windowMs);
    bucket.at = Math.max(bucket.at, nowMs);
  }

  /** That of the user whom a token names, if they are known at the address. */
  #ownBucket(address: string, authorization: string, nowMs: number): Bucket | undefined {
    const subject = subjectOf(authorization);
    if (subject === undefined) return undefined;
    const key = keyOf(address, subject);
    return this.#proven.get(key, nowMs) === undefined ? undefined : this.#bucketOf(key, nowMs);
  }

  #bucketOf(key: string, nowMs: number): Bucket {
    let bucket = this.#buckets.get(key, nowMs);
    if (bucket === undefined) {
      bucket = { level: 0, at: nowMs };
      this.#buckets.set(key, bucket, nowMs);
    }
    return bucket;
  }
}

/** No address has a space. */
function keyOf(address: string, subject: string): string {
  return `${address} ${subject}`;
}

/** Whom a token names, whether it is good or not. */
function subjectOf(authorization: string): string | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(authorization.split(".")[1] ?? "", "base64url").toString());
    const subject: unknown = typeof claims === "object" && claims !== null ? Reflect.get(claims, "sub") : undefined;
    return typeof subject === "string" ? subject : undefined;
  } catch {
    return undefined;
  }
}
