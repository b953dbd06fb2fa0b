import { createHash } from "node:crypto";
import { WeftError } from "@weft/kit";

/** The part of a user that a caller sets; `password` is apart, as only its hash is kept. */
export interface Profile {
  readonly email: string;
  readonly name: string;
  readonly bio: string;
  readonly location: string;
  /** BCP 47, or empty. */
  readonly locale: string;
  readonly tags: readonly string[];
}

/** An account. */
export interface User extends Profile {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** 1 for a new user; one more with each change. */
  readonly version: number;
}

/** What makes two e-mail addresses the same account: letter case and compatibility forms of Unicode don't tell them apart. */
export function emailKey(email: string): string {
  return email.normalize("NFKC").toLowerCase();
}

const etagPattern = /^[0-9a-z]{1,11}-[0-9a-f]{12}$/;

/** Opaque to callers: the version, and a checksum that ties it to this user. */
export function etagOf({ id, version }: Pick<User, "id" | "version">): string {
  const checksum = createHash("sha256").update(`${id} ${version}`).digest("hex").slice(0, 12);
  return `${version.toString(36)}-${checksum}`;
}

/** Nothing when `etag` is empty or the current one; `INVALID_ETAG` when it never was one, `ETAG_MISMATCH` when it is old. */
export function checkEtag(user: Pick<User, "id" | "version">, etag: string): void {
  if (etag === "") return;
  if (!etagPattern.test(etag)) throw new WeftError("INVALID_ETAG", "the etag is not one that was issued");
  if (etag !== etagOf(user)) throw new WeftError("ETAG_MISMATCH", "the user changed since the etag was read");
}
