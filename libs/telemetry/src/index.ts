export { childOf, formatTraceparent, parseTraceparent, type TraceContext } from "./trace-context.ts";
