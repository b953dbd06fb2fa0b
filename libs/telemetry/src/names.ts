/**
 * Every name that Weft gives to a measurement, by OpenTelemetry's semantic conventions
 * (https://opentelemetry.io/docs/specs/semconv/), with its unit (UCUM) and what it is. In the Prometheus text a name
 * has underscores for dots and ends in its unit: `rpc.server.duration` in `s` is `rpc_server_duration_seconds`.
 */
export const metricNames = {
  rpcServerDuration: { name: "rpc.server.duration", unit: "s", about: "Time of a call at its server." },
  rpcServerActive: { name: "rpc.server.active_requests", unit: "", about: "Calls being served." },
  rpcServerLimit: { name: "weft.server.limit", unit: "", about: "Calls that the process takes at a time." },
  degradeScore: {
    name: "weft.server.degrade_score",
    unit: "",
    about: "How much strain the process is under, from 0 to 100; at 60 it does less than it could.",
  },
  rpcClientDuration: {
    name: "rpc.client.duration",
    unit: "s",
    about: "Time of a call at its client, retries included.",
  },
  rpcClientActive: { name: "rpc.client.active_requests", unit: "", about: "Calls that this process waits for." },
  decisions: {
    name: "weft.decisions",
    unit: "",
    about:
      "What the mesh decided on its own about calls: retries, ejections, breakers, refusals, limits, fallbacks, with the reason.",
  },
  targetInstances: {
    name: "weft.target.instances",
    unit: "",
    about: "Instances of a service as this process sees them, by whether they get calls.",
  },
  httpServerDuration: { name: "http.server.request.duration", unit: "s", about: "Time of an HTTP request." },
  httpServerActive: { name: "http.server.active_requests", unit: "", about: "HTTP requests being served." },
  messagesPublished: { name: "messaging.client.sent.messages", unit: "", about: "Events published." },
  outboxRetained: {
    name: "weft.outbox.retained",
    unit: "By",
    about: "What the database keeps of its log for the outbox relay `replication`.",
  },
  messageProcessDuration: { name: "messaging.process.duration", unit: "s", about: "Time to handle an event." },
  searchCacheRequests: {
    name: "search.cache.requests",
    unit: "",
    about:
      "Searches and suggestions by how they were answered: `hit` from the cache, `miss` by the engine and now cached, `bypass` by the engine as the index has just changed or the cache is away.",
  },
  processCpuTime: { name: "process.cpu.time", unit: "s", about: "Processor time used." },
  processMemoryUsage: { name: "process.memory.usage", unit: "By", about: "Resident memory." },
  processUptime: { name: "process.uptime", unit: "s", about: "Time since the process started." },
  heapUsed: { name: "v8js.memory.heap.used", unit: "By", about: "JavaScript heap in use." },
  eventLoopDelayP99: {
    name: "nodejs.eventloop.delay.p99",
    unit: "s",
    about: "How late timers run: 99th percentile since the last scrape.",
  },
  eventLoopDelayMax: {
    name: "nodejs.eventloop.delay.max",
    unit: "s",
    about: "How late timers run: the most since the last scrape.",
  },
  eventLoopUtilization: {
    name: "nodejs.eventloop.utilization",
    unit: "1",
    about: "Part of the time that the event loop was busy, since the last scrape.",
  },
} as const satisfies Record<string, MetricName>;

export interface MetricName {
  readonly name: string;
  /** UCUM: `s`, `By`, `1` for a ratio; empty for a count of things. */
  readonly unit: string;
  readonly about: string;
}

/** Names of attributes, by the same conventions. */
export const attributes = {
  rpcService: "rpc.service",
  rpcMethod: "rpc.method",
  rpcCode: "rpc.grpc.status_code",
  httpMethod: "http.request.method",
  httpRoute: "http.route",
  httpStatus: "http.response.status_code",
  topic: "messaging.destination.name",
  group: "messaging.consumer.group.name",
  outcome: "outcome",
  /** The service that is called, as discovery names it. */
  target: "weft.target",
  decision: "weft.decision",
  reason: "weft.reason",
  state: "weft.state",
} as const;

const unitSuffixes: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes", "1": "_ratio" };

/** The name in Prometheus' text format. */
export function prometheusName({ name, unit }: MetricName, isCounter = false): string {
  return `${name.replaceAll(".", "_")}${unitSuffixes[unit] ?? ""}${isCounter ? "_total" : ""}`;
}
