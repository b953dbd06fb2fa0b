import type { Quota, Standing } from "@weft/resilience";

// The fields of draft-ietf-httpapi-ratelimit-headers-09, lists of structured fields (RFC 9651).

/** `RateLimit-Policy`: so many calls (`q`) are given back within so many seconds (`w`). */
export function policyHeader(limit: string, { count, windowMs }: Quota): string {
  return `"${limit}";q=${count};w=${windowMs / 1000}`;
}

/** `RateLimit`: calls that are left (`r`), and seconds until the whole quota is there again (`t`). */
export function standingHeader({ limit, remaining, resetMs }: Standing): string {
  return `"${limit}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`;
}
