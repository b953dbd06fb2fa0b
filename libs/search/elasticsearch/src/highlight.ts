import { randomUUID } from "node:crypto";
import type { JsonObject } from "@weft/kit";
import { excerpts, fieldValues, type IndexDefinition, normalize, type Span } from "@weft/search";
import { wordFields, wordPath } from "./mapping.ts";
import { placeSpans, spellText } from "./spelled.ts";
import { analyses } from "./template.ts";

/** Text of a field that is looked at, in UTF-16 code units. */
const maxAnalyzed = 100_000;

/**
 * What asks for the words of whole fields with the matches among them marked, by a text that no document can hold. Where
 * they stand in the document, where to cut and what to escape is decided here, as in every other engine (law F9).
 */
export function highlightRequest(definition: IndexDefinition): { readonly body: object; readonly mark: string } {
  const mark = randomUUID();
  const paths = wordFields(definition).flatMap(([name]) => analyses.map((analysis) => wordPath(analysis, name)));
  const body = {
    pre_tags: [mark],
    post_tags: [mark],
    number_of_fragments: 0,
    max_analyzed_offset: maxAnalyzed,
    fields: Object.fromEntries(paths.map((path) => [path, {}])),
  };
  return { body, mark };
}

/** Excerpts by the names of their fields, of what was found in a document. */
export function readHighlights(
  definition: IndexDefinition,
  document: JsonObject,
  found: Readonly<Record<string, readonly string[]>>,
  mark: string,
): ReadonlyMap<string, readonly string[]> {
  const highlights = new Map<string, readonly string[]>();
  for (const [path, marked] of Object.entries(found)) {
    // The first part is the analysis; a document has one.
    const name = path.slice(path.indexOf(".") + 1);
    const type = definition.fields.get(name);
    if (type === undefined) continue;
    const texts = fieldValues(document, name, type).map((text) => normalize(String(text)).toWellFormed());
    const bySpelling = new Map(texts.map((text) => [spellText(text), text]));
    const ofField = marked.flatMap((words) => {
      const { spelled, spans } = readMarks(words, mark);
      const text = bySpelling.get(spelled);
      return text === undefined ? [] : excerpts(text, placeSpans(text, spans));
    });
    highlights.set(name, ofField);
  }
  return highlights;
}

function readMarks(marked: string, mark: string): { readonly spelled: string; readonly spans: readonly Span[] } {
  let spelled = "";
  const spans: Span[] = [];
  // Odd parts stand between marks.
  for (const [at, part] of marked.split(mark).entries()) {
    if (at % 2 === 1) spans.push({ start: spelled.length, end: spelled.length + part.length });
    spelled += part;
  }
  return { spelled, spans };
}
