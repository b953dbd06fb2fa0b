import { isUtf8 } from "node:buffer";
import { type JsonValue, WeftError } from "@weft/kit";

/** The JSON in a body or a line; throws `MALFORMED_JSON`. */
export function parseJson(bytes: Buffer): JsonValue {
  if (!isUtf8(bytes)) throw new WeftError("MALFORMED_JSON", "the JSON is not UTF-8");
  try {
    const value: JsonValue = JSON.parse(bytes.toString("utf8"));
    return value;
  } catch (cause) {
    // V8 names the place, and quotes a piece of the text: only the place goes out.
    const at =
      cause instanceof SyntaxError ? /position \d+(?: \(line \d+ column \d+\))?/.exec(cause.message)?.[0] : undefined;
    throw new WeftError("MALFORMED_JSON", at === undefined ? "broken JSON" : `broken JSON at ${at}`, { cause });
  }
}

/** Checks that a body is what the route takes: throws `UNSUPPORTED_MEDIA_TYPE`. No content type at all is let through. */
export function checkContentType(header: string | undefined, accepted: RegExp, expected: string): void {
  if (header === undefined || header === expected) return;
  const [type = "", ...parameters] = header.split(";");
  const charset = parameters
    .map((text) => /^\s*charset="?([^"\s]+)"?\s*$/i.exec(text)?.[1])
    .find((text) => text !== undefined);
  if (!accepted.test(type.trim())) throw unsupported(`expected ${expected}`);
  if (charset !== undefined && !/^(utf-8|us-ascii)$/i.test(charset)) throw unsupported("expected charset=utf-8");
}

/** Refuses compressed bodies: their size is not known beforehand. */
export function checkContentEncoding(header: string | undefined): void {
  if (header !== undefined && !/^identity$/i.test(header)) throw unsupported("expected no Content-Encoding");
}

function unsupported(message: string): WeftError {
  return new WeftError("UNSUPPORTED_MEDIA_TYPE", message);
}

/** JSON, and its relatives such as `application/merge-patch+json`. */
export const jsonTypes = /^application\/(?:json|[a-z0-9.-]+\+json)$/i;
/** The names under which newline-delimited JSON goes; one object is JSON as well. */
export const ndjsonTypes = /^application\/(?:(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines)|json)$/i;
