export { createLogger, type Logger, type LoggerOptions, type LogLevel, logLevels, withTrace } from "./logger.ts";
export { type Attributes, createMetrics, type Metrics } from "./metrics.ts";
export { attributes, type MetricName, metricNames, prometheusName } from "./names.ts";
export { measureProcess } from "./process-metrics.ts";
export { childOf, formatTraceparent, parseTraceparent, type TraceContext } from "./trace-context.ts";
