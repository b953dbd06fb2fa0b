/** Where the store has an index' generation. */
export function generationKey(index: string): string {
  return `generation/${index}`;
}

/** How long a change may take to be found after it resolved, in milliseconds: law F1 of the engine. */
const showMs = 1000;

/** How long after a mark further changes need none of their own, in milliseconds: see {@link settleMs}. */
export const coverMs = 500;

/**
 * How long a reader has to know a generation before it caches under it, in milliseconds. By then every change that the
 * mark covers is found, so that no answer cached under it can lack one. Each side measures on its own clock, and only
 * differences.
 */
export const settleMs = coverMs + showMs;
