/** What can be configured at the indexer: nothing of its own yet. */
export const settings = {} as const;
