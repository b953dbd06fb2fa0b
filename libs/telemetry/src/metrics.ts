import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type MetricName, prometheusName } from "./names.ts";

/** Values of attributes, by name; few values each, never ids. */
export type Attributes = Readonly<Record<string, string>>;

/** Measurements of one process. Instruments are made once and kept; asking for one again by name gives the same. */
export interface Metrics {
  /** A number that only grows. */
  counter(name: MetricName, attributes?: readonly string[]): (value?: number, attributes?: Attributes) => void;
  /** A distribution of times in seconds. `buckets` are upper bounds. */
  histogram(
    name: MetricName,
    attributes?: readonly string[],
    buckets?: readonly number[],
  ): (value: number, attributes?: Attributes) => void;
  /** A number that is read when somebody looks. */
  gauge(name: MetricName, read: () => number): void;
  /** As {@link Metrics.gauge}, a number for each of the attributes' values that there are then. */
  gauges(
    name: MetricName,
    attributes: readonly string[],
    read: () => Iterable<readonly [value: number, attributes: Attributes]>,
  ): void;
  /** As {@link Metrics.gauge}, for a number that only grows. */
  total(name: MetricName, read: () => number): void;
  /** Prometheus' text format, version 0.0.4. */
  text(): Promise<string>;
}

/** Bounds in seconds, as the semantic conventions advise for durations, with two finer ones: calls within a machine are fast. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** An empty set of measurements. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const made = new Map<string, (value: number, attributes: Attributes) => void>();

  function once(key: string, make: () => (value: number, attributes: Attributes) => void) {
    let record = made.get(key);
    if (record === undefined) {
      record = make();
      made.set(key, record);
    }
    return record;
  }

  return {
    counter(metric, attributes = []) {
      const name = prometheusName(metric, true);
      const record = once(name, () => {
        const labelNames = attributes.map(label);
        const counter = new Counter({ name, help: metric.about, labelNames, registers: [registry] });
        return (value, labels) => counter.inc(labels, value);
      });
      return (value = 1, labels = {}) => record(value, labelled(labels));
    },
    histogram(metric, attributes = [], buckets = durationBuckets) {
      const name = prometheusName(metric);
      const record = once(name, () => {
        const labelNames = attributes.map(label);
        const options = { name, help: metric.about, labelNames, buckets: [...buckets], registers: [registry] };
        const histogram = new Histogram(options);
        return (value, labels) => histogram.observe(labels, value);
      });
      return (value, labels = {}) => record(value, labelled(labels));
    },
    gauge(metric, read) {
      const gauge: Gauge = new Gauge({
        name: prometheusName(metric),
        help: metric.about,
        registers: [registry],
        collect: () => gauge.set(read()),
      });
    },
    gauges(metric, attributes, read) {
      const gauge: Gauge = new Gauge({
        name: prometheusName(metric),
        help: metric.about,
        labelNames: attributes.map(label),
        registers: [registry],
        collect: () => {
          gauge.reset();
          for (const [value, labels] of read()) gauge.set(labelled(labels), value);
        },
      });
    },
    total(metric, read) {
      const counter: Counter = new Counter({
        name: prometheusName(metric, true),
        help: metric.about,
        registers: [registry],
        collect: () => {
          counter.reset();
          counter.inc(read());
        },
      });
    },
    text: () => registry.metrics(),
  };
}

/** Labels by attribute: this is on the way of every call, and the names are few. */
const labels = new Map<string, string>();

function label(attribute: string): string {
  let name = labels.get(attribute);
  if (name === undefined) labels.set(attribute, (name = attribute.replaceAll(".", "_")));
  return name;
}

function labelled(attributes: Attributes): Attributes {
  const named: Record<string, string> = {};
  for (const name in attributes) named[label(name)] = attributes[name] ?? "";
  return named;
}
