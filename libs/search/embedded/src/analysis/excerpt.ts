import { excerpts, normalize, type Span } from "@weft/search";
import type { TextQuery } from "./query.ts";
import { type Analysis, tokenize } from "./tokens.ts";

/** Excerpts of a text around what a query finds in it (law F9). */
export function excerptsFor(raw: string, query: TextQuery, analysis: Analysis): readonly string[] {
  const normal = normalize(raw);
  // Shown as it was written, unless composing has moved the offsets.
  return excerpts(normal.length === raw.length ? raw : normal, findMarks(normal, query, analysis));
}

function findMarks(text: string, query: TextQuery, analysis: Analysis): readonly Span[] {
  const tokens: string[] = [];
  const spans: Span[] = [];
  tokenize(text, analysis, (token, start, end) => {
    tokens.push(token);
    spans.push({ start, end });
  });
  const marks: Span[] = [];
  for (const { tokens: wanted, prefix } of query.flat()) {
    const [head] = wanted;
    if (head === undefined) continue;
    for (let at = 0; at + wanted.length <= tokens.length; at += 1) {
      const matches = wanted.every((token, offset) =>
        prefix && offset === wanted.length - 1 ? tokens[at + offset]?.startsWith(token) : tokens[at + offset] === token,
      );
      const [first, last] = [spans[at], spans[at + wanted.length - 1]];
      if (!matches || first === undefined || last === undefined) continue;
      // Of a token matched by its beginning, that much; tokens of runs carry one letter for their analysis.
      const end = prefix ? last.start + (wanted.at(-1) ?? "").length - 1 : last.end;
      marks.push({ start: first.start, end });
    }
  }
  return marks;
}
