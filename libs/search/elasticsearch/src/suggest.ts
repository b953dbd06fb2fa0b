import { suggestPrefix, type SuggestQuery } from "@weft/search";
import { type IndexEntry, live } from "./catalog.ts";
import type { Asked } from "./search.ts";
import type { Server } from "./server.ts";
import { pointInTime, type Snapshots } from "./snapshots.ts";
import { suggestedText } from "./stored.ts";

/** Most completions of one answer. */
const maxLimit = 1000;
/** A value may be completed from several of its words: so many more are asked for. */
const perText = 4;

interface Answer {
  readonly aggregations: Readonly<
    Record<
      (typeof kinds)[number],
      {
        readonly buckets: readonly {
          readonly key: string;
          readonly first: { readonly hits: { readonly hits: readonly { readonly sort: readonly [string] }[] } };
        }[];
      }
    >
  >;
}

/** Values that start with the prefix come before those with a word that does. */
const kinds = ["start", "word"] as const;

/** Completions of a prefix (law F11), each with the first document that has it. */
export async function suggest(
  server: Server,
  snapshots: Snapshots,
  entry: IndexEntry,
  { prefix, limit, signal }: Asked<SuggestQuery>,
): Promise<readonly { readonly text: string; readonly id: string }[]> {
  const wanted = suggestPrefix(prefix);
  if (wanted.trim() === "" || limit < 1) return [];
  const size = Math.min(limit, maxLimit) * perText;
  const snapshot = await snapshots.take(entry, signal);
  const { aggregations } = await server
    .request<Answer>({
      method: "POST",
      path: "/_search",
      query: { allow_partial_search_results: false },
      body: {
        pit: pointInTime(snapshot.id),
        size: 0,
        query: {
          bool: {
            filter: [live],
            should: kinds.map((kind) => ({ prefix: { [`suggest.${kind}`]: wanted } })),
            minimum_should_match: 1,
          },
        },
        aggs: Object.fromEntries(kinds.map((kind) => [kind, completions(`suggest.${kind}`, wanted, size)])),
      },
      kind: "read",
      signal,
    })
    .finally(() => snapshot.release(false));
  const ids = new Map<string, string>();
  for (const { key, first } of kinds.flatMap((kind) => aggregations[kind].buckets)) {
    const text = suggestedText(key);
    if (!ids.has(text)) ids.set(text, first.hits.hits[0]?.sort[0] ?? "");
  }
  return [...ids].slice(0, limit).map(([text, id]) => ({ text, id }));
}

function completions(field: string, prefix: string, size: number): object {
  return {
    terms: {
      field,
      // A document may have other values too, which the prefix does not complete to.
      include: `${prefix.replaceAll(/[.?+*|{}[\]()"\\#@&<>~^$-]/g, "\\$&")}.*`,
      size,
      order: { _key: "asc" },
      // Only what the query found is looked at.
      execution_hint: "map",
    },
    aggs: { first: { top_hits: { size: 1, _source: false, sort: [{ id: "asc" }] } } },
  };
}
