export type { Comparator, Comparison, Filter, FilterValue } from "./ast.ts";
export { formatFilter } from "./format.ts";
export { type OrderKey, parseOrderBy } from "./order-by.ts";
export { decodePageToken, encodePageToken, invalidPageToken, pageSize } from "./page.ts";
export { maxFilterDepth, maxFilterLength, maxFilterNodes, parseFilter } from "./parse.ts";
