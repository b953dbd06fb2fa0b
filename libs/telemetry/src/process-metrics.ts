import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";
import { metricNames } from "./names.ts";

/** Delays are sampled this often, in milliseconds: seldom enough that an idle process stays idle. */
const resolutionMs = 100;

/** Measures this process: processor, memory, and how late its event loop runs. Disposing stops the sampling. */
export function measureProcess(metrics: Metrics): Disposable {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let utilization = performance.eventLoopUtilization();
  const lateS = (ns: number): number => (Number.isFinite(ns) ? Math.max(0, ns / 1e9 - resolutionMs / 1000) : 0);

  metrics.total(metricNames.processCpuTime, () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.gauge(metricNames.processMemoryUsage, () => process.memoryUsage.rss());
  metrics.gauge(metricNames.processUptime, () => process.uptime());
  metrics.gauge(metricNames.heapUsed, () => process.memoryUsage().heapUsed);
  metrics.gauge(metricNames.eventLoopDelayP99, () => lateS(delay.percentile(99)));
  metrics.gauge(metricNames.eventLoopDelayMax, () => {
    const max = lateS(delay.max);
    delay.reset();
    return max;
  });
  metrics.gauge(metricNames.eventLoopUtilization, () => {
    const before = utilization;
    utilization = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(utilization, before).utilization;
  });
  return { [Symbol.dispose]: () => void delay.disable() };
}
