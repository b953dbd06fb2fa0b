import type { SqliteFile } from "@weft/sqlite";
import { foldLatin, normalize } from "./analysis/tokens.ts";
import type { IndexEntry } from "./catalog.ts";

/** Longest prefix that is looked at, and most words of a value that one can begin at. */
const maxTermLength = 64;
const maxTerms = 16;

/** A text from whose beginning a value is completed. */
export interface SuggestTerm {
  readonly term: string;
  /** It starts within the value. */
  readonly inner: boolean;
}

/** What a value can be completed from: itself, and what remains of it from each of its words on. */
export function suggestTerms(value: string): readonly SuggestTerm[] {
  const folded = fold(value);
  const starts = [0, ...[...folded.matchAll(/(?<![\p{L}\p{N}])[\p{L}\p{N}]/gu)].map((match) => match.index)];
  return [...new Set(starts)].slice(0, maxTerms).map((start) => ({
    term: folded.slice(start, start + maxTermLength),
    inner: start > 0,
  }));
}

/** Values that start with the prefix come first, then those with a word that does; short ones before long ones. */
export function suggest(
  file: SqliteFile,
  { number }: IndexEntry,
  prefix: string,
  limit: number,
): readonly { readonly text: string; readonly id: string }[] {
  const folded = fold(prefix).slice(0, maxTermLength);
  if (folded === "") return [];
  const found = file.all<{ text: string; id: string }>(
    `SELECT s.text, min(d.id) AS id FROM suggest_${number} s JOIN doc_${number} d ON d.row = s.row
     WHERE s.term >= ?1 AND s.term < ?1 || char(0x10ffff)
     GROUP BY s.text ORDER BY min(s.inner), length(s.text), s.text LIMIT ?2`,
    folded,
    limit,
  );
  return found.map(({ text, id }) => ({ text, id }));
}

function fold(text: string): string {
  return foldLatin(normalize(text.trimStart()).toLowerCase());
}
