import { readQueryText, type Segment } from "@weft/search";
import { type Analysis, runTokens, wordTokens } from "./tokens.ts";

/** Tokens that stand one after the other; with `prefix` the last is the beginning of a token. */
export interface Phrase {
  readonly tokens: readonly string[];
  readonly prefix: boolean;
}

/** One word or quoted phrase of a query: holds if one of its phrases does. */
export type Clause = readonly Phrase[];

/** All clauses must hold. */
export type TextQuery = readonly Clause[];

const analyses: readonly Analysis[] = ["e", "d", "p"];

/**
 * Reads what somebody typed. A query has no language, so each word is tried under every analysis. A text without a
 * single word gives no clause.
 */
export function parseQuery(text: string): TextQuery {
  return readQueryText(text).flatMap(({ quoted, segments }) =>
    quoted ? [phraseClause(segments)] : segments.map(wordClause),
  );
}

/** Joins clauses to an FTS5 expression (https://www.sqlite.org/fts5.html#full_text_query_syntax). */
export function matchExpression(query: TextQuery): string {
  return query.map((clause) => `(${clause.map(phraseExpression).join(" OR ")})`).join(" AND ");
}

function phraseExpression(phrase: Phrase): string {
  // Tokens hold no double quote: segments leave it out.
  return `"${phrase.tokens.join(" ")}"${phrase.prefix ? " *" : ""}`;
}

function wordClause(word: Segment): Clause {
  if (word.kind === "run") return [runPhrase(word)];
  const phrases = analyses.flatMap((analysis): Phrase[] => {
    const tokens = tokensOf(word, analysis);
    const [whole = "", ...parts] = tokens;
    // A word with signs is found as it stands, or as its words one after the other: `e-mail` finds `E Mail`.
    if (parts.length === 0) return [{ tokens, prefix: false }];
    return [
      { tokens: [whole], prefix: false },
      { tokens: parts, prefix: false },
    ];
  });
  return distinct(phrases);
}

function phraseClause(words: readonly Segment[]): Clause {
  const last = words.at(-1);
  if (last === undefined) return [];
  const end = last.kind === "run" ? runPhrase(last) : undefined;
  return distinct(
    analyses.map((analysis) => ({
      tokens: [
        ...words.slice(0, -1).flatMap((word) => tokensOf(word, analysis)),
        ...(end === undefined ? tokensOf(last, analysis) : end.tokens),
      ],
      prefix: end?.prefix ?? false,
    })),
  );
}

/** In a text the run may go on after what was typed: the token of its last character is left out. */
function runPhrase(run: Segment): Phrase {
  const tokens = tokensOf(run, "p");
  return tokens.length === 1 ? { tokens, prefix: true } : { tokens: tokens.slice(0, -1), prefix: false };
}

function tokensOf(word: Segment, analysis: Analysis): readonly string[] {
  const tokens: string[] = [];
  const sink = (token: string): unknown => tokens.push(token);
  if (word.kind === "run") runTokens(word, sink);
  else wordTokens(word, analysis, sink);
  return tokens;
}

function distinct(phrases: readonly Phrase[]): Clause {
  return [...new Map(phrases.map((phrase) => [phraseExpression(phrase), phrase])).values()];
}
