import { createHash } from "node:crypto";
import type { JsonObject } from "@weft/kit";
import {
  documentLanguage,
  fieldValues,
  type FieldValue,
  type IndexDefinition,
  maxExactTextLength,
  suggestTerms,
} from "@weft/search";
import { wordFields } from "./mapping.ts";
import { spellText } from "./spelled.ts";
import type { Analysis } from "./template.ts";

/** A document as it lies in Elasticsearch, as far as it is read back. */
export interface Stored {
  readonly live?: boolean;
  readonly document?: JsonObject;
}

/** Longest `_id` of Elasticsearch, in bytes; an id of the port may be longer. */
const maxStoredIdBytes = 512;
/** Values longer than this, in UTF-16 code units, are not suggested. */
const maxSuggestionLength = 1000;
/** Stands between what is completed and the value it belongs to. */
const suggestionSeparator = "\u0001";

/** The `_id` of a document: its own, or what stands for one that is too long. */
export function storedId(id: string): string {
  if (!id.startsWith("#") && Buffer.byteLength(id) <= maxStoredIdBytes) return id;
  return `#${createHash("sha256").update(id).digest("base64url")}`;
}

/** What makes a document of an index JSON, with all that it is found by. */
export function storing(definition: IndexDefinition): (id: string, document: JsonObject) => string {
  const searched = new Set(wordFields(definition).map(([name]) => name));
  const fields = [...definition.fields].map(([name, type]) => ({ name, type, hasWords: searched.has(name) }));
  return (id, document) => {
    const values: Record<string, readonly (string | number)[]> = {};
    const words: Record<string, readonly string[]> = {};
    const suggest = { start: [] as string[], word: [] as string[] };
    for (const { name, type, hasWords } of fields) {
      const found = fieldValues(document, name, type);
      if (found.length === 0) continue;
      const exact = type.kind === "text" ? found.filter((text) => String(text).length <= maxExactTextLength) : found;
      if (exact.length > 0) values[name] = exact.map(storedValue);
      if (hasWords) words[name] = found.map((text) => spellText(String(text)));
      if ("suggest" in type && type.suggest) {
        for (const text of found.map(String)) addSuggestions(suggest, text.toWellFormed());
      }
    }
    const derived = JSON.stringify({ value: values, [analysisOf(definition, document)]: words, suggest });
    // The document is the large part: it is made text once.
    return `{"id":${JSON.stringify(id)},"live":true,"document":${JSON.stringify(document)},${derived.slice(1)}`;
  };
}

/** What is left of a deleted document. */
export function tombstone(id: string): string {
  return JSON.stringify({ id, live: false });
}

/** What an update changes that makes a document a tombstone. */
export const tombstoneUpdate: string = JSON.stringify({
  doc: { live: false, document: null, value: null, suggest: null, en: null, de: null, plain: null },
  detect_noop: false,
});

/** A value as it is stored, and as filters name it. */
export function storedValue(value: FieldValue): string | number {
  return typeof value === "boolean" ? Number(value) : typeof value === "string" ? value.toWellFormed() : value;
}

/** The value that a stored suggestion is of. */
export function suggestedText(suggestion: string): string {
  return suggestion.slice(suggestion.indexOf(suggestionSeparator) + 1);
}

function addSuggestions(to: { readonly start: string[]; readonly word: string[] }, text: string): void {
  if (text.length > maxSuggestionLength || text.includes(suggestionSeparator)) return;
  for (const { term, inner } of suggestTerms(text)) {
    (inner ? to.word : to.start).push(`${term}${suggestionSeparator}${text}`);
  }
}

function analysisOf(definition: IndexDefinition, document: JsonObject): Analysis {
  const language = documentLanguage(definition, document);
  return language === "de" ? "de" : language === "other" ? "plain" : "en";
}
