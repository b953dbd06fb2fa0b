import { suggestPrefix, type SuggestQuery } from "@weft/search";
import type { SqliteFile } from "@weft/sqlite";
import type { IndexEntry } from "./catalog.ts";

/** Values that start with the prefix come first, then those with a word that does; short ones before long ones. */
export function suggest(
  file: SqliteFile,
  { number }: IndexEntry,
  { prefix, limit }: SuggestQuery,
): readonly { readonly text: string; readonly id: string }[] {
  const folded = suggestPrefix(prefix);
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
