import { escapeHtml } from "@weft/kit";
import type { TextQuery } from "./query.ts";
import { type Analysis, normalize, tokenize } from "./tokens.ts";

/** Most excerpts of a field, and about how long one is, in UTF-16 code units. */
const maxExcerpts = 3;
const excerptLength = 160;
/** Text shown before the first match of an excerpt. */
const lead = 40;

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The places of a text that match, each with what stands around it. Matches are in <em>, everything else is
 * HTML-escaped (law F9). Empty when nothing matches.
 */
export function excerpts(raw: string, query: TextQuery, analysis: Analysis): readonly string[] {
  const normal = normalize(raw);
  const marks = findMarks(normal, query, analysis);
  // Shown as it was written, unless composing has moved the offsets.
  const text = normal.length === raw.length ? raw : normal;
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
  return merge(marks);
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
