export { type CacheAnswersOptions, cacheAnswers, type CacheOutcome } from "./cache-answers.ts";
export { markChanges, type MarkChangesOptions } from "./mark-changes.ts";
