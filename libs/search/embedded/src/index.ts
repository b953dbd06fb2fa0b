export { type EmbeddedSearchOptions, openEmbeddedSearch } from "./open.ts";
