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

/** What a character is in a text. `unseen`: nobody has asked yet. */
const kinds = { unseen: 0, other: 1, letter: 2, run: 3, sign: 4 } as const;
type Kind = (typeof kinds)[keyof typeof kinds];

// Scripts written without spaces, with the Japanese signs that belong to no script.
const run = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]/u;
const letter = /[\p{L}\p{N}\p{M}]/u;
/** What joins letters to one word, up to three at a time; the last two may also end one: `c++`. */
const signs = "-._'’+#";
const maxInnerSigns = 3;
const maxLastSigns = 2;

/** By UTF-16 code unit, filled as they come: a look costs a tenth of what the expressions above do. */
const known = new Uint8Array(0x1_0000);

/** NFKC: the form in which texts are analysed; offsets refer to it. */
export function normalize(text: string): string {
  // ASCII is NFKC as it is, and most texts are ASCII.
  return /^[\x00-\x7f]*$/.test(text) ? text : text.normalize("NFKC");
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
  for (let at = 0; at < text.length;) {
    const start = at;
    const kind = kindAt(text, at);
    if (kind === kinds.run) {
      at = endOf(text, at, kinds.run);
      yield { kind: "run", text: text.slice(start, at), start };
    } else if (kind === kinds.letter) {
      at = wordEnd(text, at);
      yield { kind: "word", text: text.slice(start, at), start };
    } else at += 1;
  }
}

/** The end of the word that begins at `at`: letters, signs between them, and `+` or `#` after the last. */
function wordEnd(text: string, at: number): number {
  for (let end = endOf(text, at, kinds.letter); ;) {
    const next = endOf(text, end, kinds.sign);
    if (next > end && next <= end + maxInnerSigns && kindAt(text, next) === kinds.letter) {
      end = endOf(text, next, kinds.letter);
      continue;
    }
    const last = end + maxLastSigns;
    while (end < last && (text[end] === "+" || text[end] === "#")) end += 1;
    return end;
  }
}

/** Where the characters of a kind that begin at `at` end. */
function endOf(text: string, at: number, kind: Kind): number {
  let end = at;
  while (end < text.length && kindAt(text, end) === kind) end += isPair(text, end) ? 2 : 1;
  return end;
}

function kindAt(text: string, at: number): Kind {
  if (at >= text.length) return kinds.other;
  // A pair of surrogates is too rare to be remembered.
  if (isPair(text, at)) return kindOf(String.fromCodePoint(text.codePointAt(at) ?? 0));
  const unit = text.charCodeAt(at);
  return (known[unit] ||= kindOf(text.charAt(at))) as Kind;
}

function kindOf(character: string): Kind {
  if (run.test(character)) return kinds.run;
  if (letter.test(character)) return kinds.letter;
  return signs.includes(character) ? kinds.sign : kinds.other;
}

function isPair(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xdc00 && (text.codePointAt(at) ?? 0) > 0xffff;
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
