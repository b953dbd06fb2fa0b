export { checkChanges, checkQuery, maxChanges } from "./check-query.ts";
export { checkDefinition, decodeDefinition, encodeDefinition, sameDefinition } from "./definition.ts";
export type { FieldType, IndexDefinition, IndexInfo } from "./definition.ts";
export {
  changeFailure,
  fieldValues,
  maxDocumentDepth,
  maxExactTextLength,
  maxIdLength,
  maxKeywordLength,
} from "./document.ts";
export type { FieldValue } from "./document.ts";
export { excerpts, type Span } from "./excerpts.ts";
export { parseInstant } from "./instant.ts";
export { documentLanguage, type Language } from "./language.ts";
export { checkReindex, Misfits, type ReindexOptions, type ReindexProgress } from "./reindex.ts";
export type {
  ChangeResult,
  DocumentChange,
  SearchEngine,
  SearchHit,
  SearchPage,
  SearchQuery,
  SuggestQuery,
} from "./search.ts";
export { suggestPrefix, type SuggestTerm, suggestTerms } from "./suggest-terms.ts";
export { type TypedFilter, typeFilter } from "./typed-filter.ts";
export { foldLatin, normalize, type QueryPart, readQueryText, type Segment, segments } from "./words.ts";
