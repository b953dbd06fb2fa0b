import type { JsonObject } from "@weft/kit";

const languages = ["en", "de", "ja", "zh"] as const;
const perLanguage = 50;
/** Japanese or Chinese text of some length, for cutting a piece out of it. */
const run = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]{2,}/gu;

/** A number in [0, below), the next of a fixed sequence (Numerical Recipes' generator). */
type Next = (below: number) => number;

function sequence(seed: number): Next {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * Two hundred queries, fifty in each language, made of pieces of the documents: what people search for is mostly there.
 * The same documents give the same queries.
 */
export function queriesFrom(documents: readonly JsonObject[]): readonly string[] {
  const queries = new Set<string>();
  for (const [index, language] of languages.entries()) {
    const own = documents.filter(({ lang }) => lang === language);
    const next = sequence(index + 1);
    for (const before = queries.size; queries.size < before + perLanguage;) {
      const document = own[next(own.length)] ?? {};
      const text = `${String(document["name"])} ${String(document["summary"])} ${String(document["description"])}`;
      const query = language === "ja" || language === "zh" ? cutRuns(text, next) : cutWords(text, next);
      if (query !== undefined) queries.add(query);
    }
  }
  return [...queries];
}

/** One word, two words, or some that stand one after the other, as they were written. */
function cutWords(text: string, next: Next): string | undefined {
  const words = text.split(/\s+/).filter((word) => !word.includes('"'));
  const at = next(words.length);
  const other = next(words.length);
  const query = [
    words[at],
    words[at]?.toUpperCase(),
    `${words[at]} ${words[other]}`,
    `"${words.slice(at, at + 2).join(" ")}"`,
    `"${words.slice(at, at + 3).join(" ")}"`,
  ][next(5)];
  return query !== undefined && /\p{L}{2}/u.test(query) ? query : undefined;
}

/** A piece of a run, two pieces, one with the Latin word before it, or a phrase. */
function cutRuns(text: string, next: Next): string | undefined {
  const runs = [...text.matchAll(run)];
  const found = runs[next(runs.length)];
  const other = runs[next(runs.length)];
  const kind = next(6);
  const length = 1 + next(4);
  if (found === undefined || other === undefined) return undefined;
  const piece = cut(found[0], length, next);
  const latin = text
    .slice(0, found.index)
    .match(/[A-Za-z][\w+#.-]*/g)
    ?.at(-1);
  switch (kind) {
    case 0:
    case 1:
      return piece;
    case 2:
      return `${piece} ${cut(other[0], length, next)}`;
    case 3:
      return latin === undefined ? undefined : `${latin} ${piece}`;
    case 4:
      return `"${text.slice(found.index, found.index + found[0].length + 6).replaceAll('"', "")}"`;
    default:
      return found[0];
  }
}

function cut(text: string, length: number, next: Next): string {
  const characters = [...text];
  const start = next(Math.max(1, characters.length - length + 1));
  return characters.slice(start, start + length).join("");
}
