export type { FieldType, IndexDefinition, IndexInfo } from "./definition.ts";
export type { ChangeResult, DocumentChange, SearchEngine, SearchHit, SearchPage, SearchQuery } from "./search.ts";
