import { isJsonObject, type JsonObject, WeftError } from "@weft/kit";
import type { DocumentChange, IndexDefinition } from "@weft/search";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The change that a line of a bulk load asks for: `MALFORMED_JSON`, or `INVALID_ARGUMENT` without a usable id. */
export function readDocument({ idField }: IndexDefinition, bytes: Uint8Array): DocumentChange {
  const document = parse(bytes);
  const id = Object.hasOwn(document, idField) ? document[idField] : undefined;
  if (id === undefined || id === null || id === "") {
    throw new WeftError("INVALID_ARGUMENT", `the document has no ${idField}`);
  }
  if (typeof id !== "string" && !Number.isSafeInteger(id)) {
    throw new WeftError("INVALID_ARGUMENT", `${idField} is not text or an integer`);
  }
  return { kind: "put", id: String(id), document };
}

function parse(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    throw new WeftError("MALFORMED_JSON", "the line is not JSON in UTF-8");
  }
  if (!isJsonObject(value)) throw new WeftError("MALFORMED_JSON", "the line is not a JSON object");
  return value;
}
