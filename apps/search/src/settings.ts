/** What can be configured at the search service: nothing of its own yet. */
export const settings = {} as const;
