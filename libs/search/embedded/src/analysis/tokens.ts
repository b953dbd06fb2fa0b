import { foldLatin, type Language, normalize, type Segment, segments } from "@weft/search";
import { stemmer as stemEnglish } from "stemmer";
import { normalizeGerman, stemGerman } from "./german.ts";

/**
 * How the words of a text are analysed. The first letter of a token says by which analysis it was made, so that the
 * German stem of one word never meets the English stem of another.
 */
export type Analysis = "e" | "d" | "p";

/** The analysis of words in a document of a language. Latin words within Chinese and Japanese are mostly English. */
export function analysisOf(language: Language): Analysis {
  return language === "de" ? "d" : language === "other" ? "p" : "e";
}

/** Takes a token and where it stands in the text, in UTF-16 code units. */
export type Sink = (token: string, start: number, end: number) => void;

/**
 * The tokens of a normalized text, in order. A word with signs (`libfoo-dev`, `c++`) is a token as it stands and the
 * words in it follow; a run of Chinese or Japanese is its pairs of characters and then its last character, so that a
 * single character is found as the beginning of a token.
 */
export function tokenize(text: string, analysis: Analysis, sink: Sink): void {
  for (const segment of segments(text)) {
    if (segment.kind === "run") runTokens(segment, sink);
    else wordTokens(segment, analysis, sink);
  }
}

export function runTokens({ text, start }: Segment, sink: Sink): void {
  let previous: string | undefined;
  let at = start;
  for (const char of text) {
    if (previous !== undefined) sink(`c${previous}${char}`, at - previous.length, at + char.length);
    previous = char;
    at += char.length;
  }
  if (previous !== undefined) sink(`c${previous}`, at - previous.length, at);
}

export function wordTokens(segment: Segment, analysis: Analysis, sink: Sink): void {
  // The English genitive is no word of its own.
  const text = segment.text.replace(/['’]s$/iu, "");
  const { start } = segment;
  if (isPlain(text)) return sink(wordToken(text, analysis), start, start + text.length);
  const whole = signToken(text);
  sink(whole, start, start + text.length);
  for (const part of text.matchAll(/[^\-._'’]+/gu)) partTokens(part[0], start + part.index, { whole, analysis, sink });
}

function partTokens(
  part: string,
  start: number,
  context: { readonly whole: string; readonly analysis: Analysis; readonly sink: Sink },
): void {
  const { whole, analysis, sink } = context;
  if (isPlain(part)) return sink(wordToken(part, analysis), start, start + part.length);
  const token = signToken(part);
  if (token !== whole) sink(token, start, start + part.length);
  const pieces = [...part.matchAll(/[^+#]+/gu)];
  // Of `c++` the `c` alone says nothing; `a+b` is also `a` and `b`.
  if (pieces.length < 2) return;
  for (const piece of pieces) {
    sink(wordToken(piece[0], analysis), start + piece.index, start + piece.index + piece[0].length);
  }
}

function isPlain(text: string): boolean {
  return !/[-._'’+#]/u.test(text);
}

/** A word with signs, kept whole and unstemmed. The tokenizer of the table takes `’` for a letter, but not `'`. */
function signToken(text: string): string {
  return `x${foldLatin(text.toLowerCase()).replaceAll("'", "’")}`;
}

/** Stands for a keyword's whole value: a query that names it exactly ranks it above those that merely contain it. */
export function wholeToken(value: string): string {
  const folded = foldLatin(normalize(value.trim().slice(0, maxWholeLength)).toLowerCase());
  return `w${folded.replaceAll(/[^\p{L}\p{N}\-._+#]/gu, "_")}`;
}

const maxWholeLength = 100;
const maxKnown = 50_000;
const known = { e: new Map<string, string>(), d: new Map<string, string>(), p: new Map<string, string>() };

function wordToken(word: string, analysis: Analysis): string {
  const cache = known[analysis];
  let token = cache.get(word);
  if (token === undefined) {
    token = analysis + stem(word.toLowerCase().normalize("NFC"), analysis);
    if (cache.size >= maxKnown) cache.clear();
    cache.set(word, token);
  }
  return token;
}

function stem(word: string, analysis: Analysis): string {
  switch (analysis) {
    case "e":
      return stemEnglish(foldLatin(word));
    case "d":
      return stemGerman(normalizeGerman(word));
    case "p":
      return foldLatin(word);
  }
}
