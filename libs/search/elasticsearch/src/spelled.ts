import { normalize, type QueryPart, type Segment, segments, type Span } from "@weft/search";

/**
 * A word of its own beside a word with signs and a run, so that a phrase does not go into or out of them unnoticed:
 * `"it easy"` is not in `it easy-to-use`, and `です` not in `で、す`. NFKC leaves this letter, the Hangul filler, in no text.
 */
const edge = "\u3164";

/**
 * Takes a word as Elasticsearch is told it, and where it stands in the text, in UTF-16 code units. Some of its signs may
 * be others, but it is as long; an edge stands nowhere.
 */
type Sink = (word: string, start?: number) => void;

/**
 * The words of a text with a space between. What a word is, the port says for every engine alike; Elasticsearch only
 * folds, splits and stems it. Of Chinese and Japanese each character is a word, so that a run of them is a phrase.
 */
export function spellText(text: string): string {
  const words: string[] = [];
  const sink = (word: string): void => void words.push(word);
  for (const segment of segments(normalize(text))) spell(segment, sink);
  return words.join(" ");
}

/** A part of a query, as a phrase. The run at its end may go on in a text; a word alone is found without its signs too. */
export function spellPart({ quoted, segments: asked }: QueryPart): string {
  const words: string[] = [];
  for (const segment of asked) spell(segment, (word) => void words.push(word));
  if (asked.at(-1)?.kind === "run") words.pop();
  if (!quoted && words[0] === edge) words.shift();
  return words.join(" ");
}

/**
 * Where the spans of {@link spellText} of a normalized text stand in the text itself.
 *
 * @param spans in order, none within another
 */
export function placeSpans(text: string, spans: readonly Span[]): readonly Span[] {
  const placed = spans.map(() => ({ start: Infinity, end: 0 }));
  let first = 0;
  let at = 0;
  const place: Sink = (word, start) => {
    const end = at + word.length;
    while ((spans[first]?.end ?? Infinity) <= at) first += 1;
    for (let index = first; start !== undefined; index += 1) {
      const [span, found] = [spans[index], placed[index]];
      if (span === undefined || found === undefined || span.start >= end) break;
      found.start = Math.min(found.start, start + Math.max(0, span.start - at));
      found.end = start + Math.min(word.length, span.end - at);
    }
    at = end + 1;
  };
  for (const segment of segments(text)) spell(segment, place);
  return placed.filter(({ start, end }) => start < end);
}

function spell({ kind, text, start }: Segment, sink: Sink): void {
  if (kind === "run") {
    let at = start;
    for (const character of text) {
      sink(character, at);
      at += character.length;
    }
    sink(edge);
  } else if (/[-._'’+#]/.test(text)) {
    const word = spellSigns(text);
    if (/[-._'+#]/.test(word.replace(/'s$/i, ""))) sink(edge);
    sink(word, start);
  } else sink(text, start);
}

/**
 * Of `c++` and `c#` the `c` alone says nothing, while `a+b` is also `a` and `b`: signs at the end of a part are written
 * as letters of the filters, which NFKC leaves in no text, and which folding turns back.
 */
function spellSigns(word: string): string {
  if (!/[’+#]/.test(word)) return word;
  return word
    .replaceAll("’", "'")
    .replaceAll(/\+(?![\p{L}\p{N}\p{M}])/gu, "＋")
    .replaceAll(/#(?![\p{L}\p{N}\p{M}])/gu, "＃");
}
