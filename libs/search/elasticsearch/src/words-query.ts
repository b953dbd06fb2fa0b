import { type IndexDefinition, readQueryText } from "@weft/search";
import { wordFields, wordPath } from "./mapping.ts";
import { spellPart } from "./spelled.ts";
import { analyses } from "./template.ts";

/** Weight of a match in a keyword field: a name or a tag says more than a word within a text. */
const keywordWeight = 2;

/**
 * Every word of a text in any of the fields, under any analysis: a query has no language. Undefined for a text without
 * a single word.
 *
 * @param only names of fields; default: every one that is searched by words
 */
export function wordsQuery(definition: IndexDefinition, text: string, only?: readonly string[]): object | undefined {
  const fields = wordFields(definition).filter(([name]) => only === undefined || only.includes(name));
  const weighted = fields.flatMap(([name, type]) =>
    analyses.map((analysis) => `${wordPath(analysis, name)}^${type.kind === "text" ? type.weight : keywordWeight}`),
  );
  // A word that stands there twice asks for nothing more.
  const phrases = new Set(readQueryText(text).map(spellPart));
  if (phrases.size === 0) return undefined;
  const queries = [...phrases].map((query) => ({ multi_match: { query, type: "phrase", fields: weighted } }));
  return { bool: { must: queries } };
}
