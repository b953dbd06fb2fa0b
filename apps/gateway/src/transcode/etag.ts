import { WeftError } from "@weft/kit";

/** Characters that RFC 9110 allows between the quotes of an entity tag. */
const opaque = /^[\x21\x23-\x7e\x80-\xff]*$/;

/** `ETag` for an opaque etag of a message; undefined when there is none or it can't stand in a header. */
export function formatEtag(etag: string): string | undefined {
  return etag !== "" && opaque.test(etag) ? `"${etag}"` : undefined;
}

/**
 * The etag in an `If-Match` header; undefined for `*`. A weak tag counts as its strong form, since proxies weaken tags
 * when they compress; quotes may be missing. Throws `INVALID_ETAG` for anything else, lists included: a message has one
 * etag.
 */
export function parseIfMatch(header: string): string | undefined {
  const text = header.trim();
  if (text === "*") return undefined;
  const etag = /^(?:W\/)?"([^"]+)"$/.exec(text)?.[1] ?? (/^[^",\s]+$/.test(text) ? text : undefined);
  if (etag === undefined || !opaque.test(etag)) {
    throw new WeftError("INVALID_ETAG", "If-Match is not a single entity tag", {
      violations: [{ field: "If-Match", description: 'expected one tag, for example "abc", or *' }],
    });
  }
  return etag;
}

/** Whether an `If-None-Match` header names `etag` (weak comparison, RFC 9110 §13.1.2). Malformed names nothing. */
export function noneMatchNames(header: string, etag: string): boolean {
  const text = header.trim();
  return text === "*" || [...text.matchAll(/(?:W\/)?"([^"]*)"/g)].some((match) => match[1] === etag);
}
