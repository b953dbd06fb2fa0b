import { escapeHtml } from "@weft/kit";

/** Most excerpts of a field, and about how long one is, in UTF-16 code units. */
const maxExcerpts = 3;
const excerptLength = 160;
/** Text shown before the first match of an excerpt. */
const lead = 40;

/** Where a match stands in a text, in UTF-16 code units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Excerpts of a text around the places that match. Matches are in <em>, everything else is HTML-escaped (law F9). Empty
 * when nothing matches.
 *
 * @param found may overlap and come in any order
 */
export function excerpts(text: string, found: readonly Span[]): readonly string[] {
  const marks = merge(found);
  const result: string[] = [];
  let next = 0;
  while (next < marks.length && result.length < maxExcerpts) {
    const first = marks[next];
    if (first === undefined) break;
    const start = text.length <= excerptLength ? 0 : wordStart(text, Math.max(0, first.start - lead));
    const end = wordEnd(text, Math.max(start + excerptLength, first.end));
    const within: Span[] = [];
    for (let mark = marks[next]; mark !== undefined && mark.end <= end; mark = marks[next]) {
      within.push(mark);
      next += 1;
    }
    result.push(render(text, { start, end }, within));
  }
  return result;
}

function merge(marks: readonly Span[]): readonly Span[] {
  const merged: Span[] = [];
  for (const mark of marks.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && mark.start < last.end) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, mark.end) };
    } else merged.push(mark);
  }
  return merged;
}

function render(text: string, { start, end }: Span, marks: readonly Span[]): string {
  let html = "";
  let at = start;
  for (const mark of marks) {
    html += `${escapeHtml(text.slice(at, mark.start))}<em>${escapeHtml(text.slice(mark.start, mark.end))}</em>`;
    at = mark.end;
  }
  return html + escapeHtml(text.slice(at, end));
}

/** The nearest beginning of a word at or before `at`, but not far away; never within a surrogate pair. */
function wordStart(text: string, at: number): number {
  const space = text.lastIndexOf(" ", at);
  if (at === 0 || at - space <= 20) return space + 1 > at ? at : space + 1;
  return isLowSurrogate(text, at) ? at + 1 : at;
}

function wordEnd(text: string, at: number): number {
  if (at >= text.length) return text.length;
  const space = text.indexOf(" ", at);
  if (space >= 0 && space - at <= 20) return space;
  return isLowSurrogate(text, at) ? at + 1 : at;
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}
