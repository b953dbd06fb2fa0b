export type { Comparator, Filter, FilterValue } from "./ast.ts";
