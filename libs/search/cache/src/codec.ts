import type { SearchHit, SearchPage } from "@weft/search";

export type Suggestions = readonly { readonly text: string; readonly id: string }[];

/** A page as it is stored: JSON has no maps. */
interface StoredPage extends Omit<SearchPage, "hits" | "facets"> {
  readonly hits: readonly StoredHit[];
  readonly facets: readonly (readonly [string, readonly { value: string | number | boolean; count: number }[]])[];
}

interface StoredHit extends Omit<SearchHit, "highlights"> {
  readonly highlights: readonly (readonly [string, readonly string[]])[];
}

export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

export function encodePage({ hits, facets, ...page }: SearchPage): Uint8Array {
  return encodeJson({
    ...page,
    hits: hits.map(({ highlights, ...hit }) => ({ ...hit, highlights: [...highlights] })),
    facets: [...facets],
  });
}

export function decodePage(bytes: Uint8Array): SearchPage {
  const { hits, facets, ...page } = parse<StoredPage>(bytes);
  return {
    ...page,
    hits: hits.map(({ highlights, ...hit }) => ({ ...hit, highlights: new Map(highlights) })),
    facets: new Map(facets),
  };
}

export function decodeSuggestions(bytes: Uint8Array): Suggestions {
  return parse<Suggestions>(bytes);
}

/** What this code wrote itself: the key says which version. */
function parse<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes).toString()) as T;
}
