import { foldLatin, normalize } from "./words.ts";

/** Longest prefix that is looked at, and most words of a value that one can begin at. */
const maxTermLength = 64;
const maxTerms = 16;

/** A text from whose beginning a value is completed (law F11). */
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

/** What the terms of a value start with that a prefix completes to; empty for a blank prefix, which completes nothing. */
export function suggestPrefix(prefix: string): string {
  return fold(prefix).slice(0, maxTermLength);
}

function fold(text: string): string {
  return foldLatin(normalize(text.trimStart()).toLowerCase());
}
