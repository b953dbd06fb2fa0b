import { createHash } from "node:crypto";
import { isJsonObject, type JsonObject, WeftError } from "@weft/kit";

const version = 1;
const checksumBytes = 12;

/**
 * An opaque page token (https://google.aip.dev/158): base64url of a version byte, a checksum and the content.
 *
 * The checksum keeps a token from being used for another query and catches accidents and tinkering. It is no
 * signature: content must not grant anything that the caller could not ask for directly.
 *
 * @param query everything that decides which items are listed and in which order, except the page size
 */
export function encodePageToken(content: JsonObject, query: string): string {
  const body = Buffer.from(JSON.stringify(content));
  return Buffer.concat([Buffer.of(version), checksum(body, query), body]).toString("base64url");
}

/** The content of a token made by {@link encodePageToken} for the same query; `INVALID_PAGE_TOKEN` for any other text. */
export function decodePageToken(token: string, query: string): JsonObject {
  const bytes = Buffer.from(token, "base64url");
  const body = bytes.subarray(1 + checksumBytes);
  // Buffer skips characters that are not base64url: only the canonical text counts.
  const genuine =
    bytes.toString("base64url") === token &&
    bytes[0] === version &&
    bytes.subarray(1, 1 + checksumBytes).equals(checksum(body, query));
  const content: unknown = genuine ? JSON.parse(body.toString()) : undefined;
  if (!isJsonObject(content)) {
    throw invalidPageToken();
  }
  return content;
}

/** The one refusal of every page token that is not good, whatever is wrong with it. */
export function invalidPageToken(): WeftError {
  return new WeftError("INVALID_PAGE_TOKEN", "the page token was not issued for this request");
}

/**
 * The number of items on a page (AIP-158): 0 asks for the default, more than `max` gets `max`; a negative number is
 * `INVALID_ARGUMENT`.
 */
export function pageSize(requested: number, limits: { readonly default: number; readonly max: number }): number {
  if (requested < 0) {
    const description = "must not be negative";
    throw new WeftError("INVALID_ARGUMENT", `page_size ${description}`, {
      violations: [{ field: "page_size", description }],
    });
  }
  return requested === 0 ? limits.default : Math.min(requested, limits.max);
}

function checksum(body: Buffer, query: string): Buffer {
  const fingerprint = createHash("sha256").update(query).digest();
  return createHash("sha256").update(fingerprint).update(body).digest().subarray(0, checksumBytes);
}
