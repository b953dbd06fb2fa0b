export { type ElasticsearchOptions, openElasticsearch } from "./open.ts";
