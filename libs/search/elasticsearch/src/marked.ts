import { normalize, type QueryPart, type Segment, segments } from "@weft/search";

/**
 * Stands before and after each word. What a word is, the port says for every engine alike; Elasticsearch is told, and
 * only folds, splits and stems it. DEL is one byte in JSON and in no text that people read.
 */
export const wordMark = "\u007f";

/**
 * A word of its own beside a word with signs and a run, so that a phrase does not go into or out of them unnoticed:
 * `"it easy"` is not in `it easy-to-use`, and `です` not in `で、す`. NFKC leaves this letter, the Hangul filler, in no text.
 */
const edge = "\u3164";

/** A text with its words marked: of Chinese and Japanese each character, so that a run of them is a phrase. */
export function markWords(text: string): string {
  const normal = normalize(text).toWellFormed().replaceAll(wordMark, " ");
  let marked = wordMark;
  let at = 0;
  for (const segment of segments(normal)) {
    marked += normal.slice(at, segment.start) + markSegment(segment);
    at = segment.start + segment.text.length;
  }
  return marked + normal.slice(at) + wordMark;
}

/** A part of a query, as a phrase. The run at its end may go on in a text; a word alone is found without its signs too. */
export function markPart({ quoted, segments: words }: QueryPart): string {
  const marked = words.map(markSegment).join("");
  const open = words.at(-1)?.kind === "run" ? marked.slice(0, -mark(edge).length) : marked;
  return `${wordMark}${!quoted && open.startsWith(mark(edge)) ? open.slice(mark(edge).length) : open}${wordMark}`;
}

/** The text without its marks. */
export function unmark(text: string): string {
  return text.replaceAll(wordMark, "").replaceAll(edge, "").replaceAll("＋", "+").replaceAll("＃", "#");
}

function mark(word: string): string {
  return `${wordMark}${word}${wordMark}`;
}

function markSegment({ kind, text }: Segment): string {
  if (kind === "run") return `${[...text].map(mark).join("")}${mark(edge)}`;
  if (!/[-._'’+#]/.test(text)) return mark(text);
  const word = spellSigns(text);
  return /[-._'+#]/.test(word.replace(/'s$/i, "")) ? mark(edge) + mark(word) : mark(word);
}

/**
 * Of `c++` and `c#` the `c` alone says nothing, while `a+b` is also `a` and `b`: signs at the end of a part are written
 * as letters of the filters, which NFKC leaves in no text, and which folding turns back.
 */
function spellSigns(word: string): string {
  return word
    .replaceAll("’", "'")
    .replaceAll(/\+(?![\p{L}\p{N}\p{M}])/gu, "＋")
    .replaceAll(/#(?![\p{L}\p{N}\p{M}])/gu, "＃");
}
