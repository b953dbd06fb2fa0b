import { expect, test } from "vitest";
import { WeftError } from "@weft/kit";
import {
  attributes,
  createLogger,
  createMetrics,
  measureProcess,
  metricNames,
  prometheusName,
  withTrace,
} from "./index.ts";

function logTo(lines: string[], level: "debug" | "info" = "info") {
  const destination = { write: (line: string) => void lines.push(line) };
  return createLogger({ service: "user", instance: "i-1", level, destination });
}

test("a line is JSON with time, level, service, instance, trace and message", () => {
  const lines: string[] = [];
  const log = logTo(lines);
  withTrace(log, { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true }).info({ userId: "7" }, "created");
  log.debug({}, "too much");
  expect(lines).toHaveLength(1);
  const line: unknown = JSON.parse(lines[0] ?? "");
  expect(line).toEqual({
    level: "info",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    service: "user",
    instance: "i-1",
    trace_id: "a".repeat(32),
    span_id: "b".repeat(16),
    userId: "7",
    msg: "created",
  });
});

test("credentials and e-mail addresses do not reach the log", () => {
  const lines: string[] = [];
  logTo(lines).info(
    {
      password: "hunter2",
      request: { headers: { authorization: "hunter2", cookie: "hunter2" }, email: "hunter2" },
      user: { token: "hunter2" },
    },
    "in",
  );
  expect(lines.join()).not.toContain("hunter2");
  expect(lines.join()).toContain('"password":"***"');
});

test("an error is logged with its reason and its cause", () => {
  const lines: string[] = [];
  const err = new WeftError("UNAVAILABLE", "no answer", { cause: new Error("ECONNREFUSED") });
  logTo(lines).error({ err }, "failed");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: "error",
    err: { message: "no answer", reason: "UNAVAILABLE", cause: { message: "ECONNREFUSED" } },
  });
});

test("metrics are named by convention, unit last", async () => {
  expect(prometheusName(metricNames.rpcServerDuration)).toBe("rpc_server_duration_seconds");
  expect(prometheusName(metricNames.processCpuTime, true)).toBe("process_cpu_time_seconds_total");
  const metrics = createMetrics();
  const labels = [attributes.rpcMethod];
  metrics.histogram(metricNames.rpcServerDuration, labels)(0.003, { [attributes.rpcMethod]: "GetUser" });
  metrics.histogram(metricNames.rpcServerDuration, labels)(0.003, { [attributes.rpcMethod]: "GetUser" });
  metrics.counter(metricNames.messagesPublished)(2);
  using _process = measureProcess(metrics);
  const text = await metrics.text();
  expect(text).toContain('rpc_server_duration_seconds_bucket{le="0.005",rpc_method="GetUser"} 2');
  expect(text).toContain("messaging_client_sent_messages_total 2");
  expect(text).toMatch(/^process_memory_usage_bytes \d{7,}$/m);
  expect(text).toMatch(/^nodejs_eventloop_delay_p99_seconds [\d.e-]+$/m);
  expect(await metrics.text()).toMatch(/^process_cpu_time_seconds_total [\d.]+$/m);
});
