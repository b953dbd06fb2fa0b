import { WeftError } from "@weft/kit";

/** A stretch of a text: a word, with inner and trailing signs (`node.js`, `g++-12`), or a run of Chinese or Japanese. */
export interface Segment {
  readonly kind: "word" | "run";
  readonly text: string;
  /** Offset in UTF-16 code units. */
  readonly start: number;
}

/** What a query asks for: one word, or the words between quotes one after the other. */
export interface QueryPart {
  readonly quoted: boolean;
  /** One when not quoted. Never none. */
  readonly segments: readonly Segment[];
}

/** Most words of a query; a quoted phrase counts as one. */
const maxWords = 100;

// Scripts written without spaces, with the Japanese signs that belong to no script.
const run = "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}ー]";
const letter = `[[\\p{L}\\p{N}\\p{M}]--${run}]`;
const segment = new RegExp(`(${run}+)|${letter}+(?:[\\-._'’+#]{1,3}${letter}+)*[+#]{0,2}`, "gv");

/** NFKC: the form in which texts are analysed; offsets refer to it. */
export function normalize(text: string): string {
  return text.normalize("NFKC");
}

/** Latin letters without their diacritics; other scripts keep theirs, where they make other letters. */
export function foldLatin(text: string): string {
  // Most words are ASCII: they need no work.
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return text
    .normalize("NFD")
    .replaceAll(/(\p{Script=Latin})\p{M}+/gu, "$1")
    .normalize("NFC");
}

/** Cuts a normalized text into segments; what lies between them is never matched. */
export function* segments(text: string): Iterable<Segment> {
  for (const match of text.matchAll(segment)) {
    yield { kind: match[1] === undefined ? "word" : "run", text: match[0], start: match.index };
  }
}

/**
 * Reads what somebody typed: words, and phrases in double quotes. Adapters share it, so that they agree on what a word
 * is. A text without a single word gives nothing; more than 100 words are `INVALID_ARGUMENT`.
 */
export function readQueryText(text: string): readonly QueryPart[] {
  const parts: QueryPart[] = [];
  for (const [index, piece] of normalize(text).split('"').entries()) {
    const words = [...segments(piece)];
    // Odd pieces stand between quotes; the last one only if its quote is closed, which a phrase of the rest would be too.
    if (index % 2 === 0) parts.push(...words.map((word) => ({ quoted: false, segments: [word] })));
    else if (words.length > 0) parts.push({ quoted: true, segments: words });
  }
  if (parts.length > maxWords) throw new WeftError("INVALID_ARGUMENT", `the query has more than ${maxWords} words`);
  return parts;
}
