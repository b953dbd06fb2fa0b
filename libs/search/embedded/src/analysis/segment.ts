/** A stretch of a text: a word, with inner and trailing signs (`node.js`, `g++-12`), or a run of Chinese or Japanese. */
export interface Segment {
  readonly kind: "word" | "run";
  readonly text: string;
  /** Offset in UTF-16 code units. */
  readonly start: number;
}

// Scripts written without spaces, with the Japanese signs that belong to no script.
const run = "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}ー]";
const letter = `[[\\p{L}\\p{N}\\p{M}]--${run}]`;
const segment = new RegExp(`(${run}+)|${letter}+(?:[\\-._'’+#]{1,3}${letter}+)*[+#]{0,2}`, "gv");

/** Cuts a text into segments; what lies between them is never matched. */
export function* segments(text: string): Iterable<Segment> {
  for (const match of text.matchAll(segment)) {
    yield { kind: match[1] === undefined ? "word" : "run", text: match[0], start: match.index };
  }
}
