import { pageSize } from "@weft/filter";
import type { SearchEngine } from "@weft/search";

const pageLimits = { default: 10, max: 50 };

/** Completions of a prefix; none for an empty one. */
export async function suggest(
  engine: SearchEngine,
  input: { readonly index: string; readonly prefix: string; readonly pageSize: number },
  signal?: AbortSignal,
): Promise<readonly { readonly text: string; readonly id: string }[]> {
  return engine.suggest(input.index, { prefix: input.prefix, limit: pageSize(input.pageSize, pageLimits) }, signal);
}
