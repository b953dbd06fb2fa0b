import { randomUUID } from "node:crypto";
import { excerpts, type IndexDefinition, type Span } from "@weft/search";
import { wordFields, wordPath } from "./mapping.ts";
import { unmark } from "./marked.ts";
import { analyses } from "./template.ts";

/** Text of a field that is looked at, in UTF-16 code units. */
const maxAnalyzed = 100_000;

/**
 * What asks for whole fields with their matches marked, by a text that no document can hold. Where to cut and what to
 * escape is decided here, as in every other engine (law F9).
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

/** Excerpts by the names of their fields. */
export function readHighlights(
  found: Readonly<Record<string, readonly string[]>>,
  mark: string,
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(found).map(([path, texts]) => [
      // The first part is the analysis; a document has one.
      path.slice(path.indexOf(".") + 1),
      texts.flatMap((text) => excerptsOf(text, mark)),
    ]),
  );
}

function excerptsOf(marked: string, mark: string): readonly string[] {
  let text = "";
  const marks: Span[] = [];
  // Odd parts stand between marks.
  for (const [at, found] of marked.split(mark).entries()) {
    const part = unmark(found);
    if (at % 2 === 1) marks.push({ start: text.length, end: text.length + part.length });
    text += part;
  }
  return excerpts(text, marks);
}
