import { Counter, Gauge, Registry } from "prom-client";
import { Histogram } from "./histogram.ts";
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
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();

  return {
    counter(metric, attributes = []) {
      const name = prometheusName(metric, true);
      const counter = getOrMake(counters, name, () => {
        return new Counter({ name, help: metric.about, labelNames: attributes.map(label), registers: [registry] });
      });
      return (value = 1, labels = {}) => counter.inc(labelled(labels), value);
    },
    histogram(metric, attributes = [], buckets = durationBuckets) {
      const name = prometheusName(metric);
      const histogram = getOrMake(histograms, name, () => {
        const labels = attributes.map((attribute) => ({ attribute, label: label(attribute) }));
        return new Histogram({ name, about: metric.about, labels, buckets });
      });
      return (value, labels = {}) => histogram.record(value, labels);
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
    text: async () => [await registry.metrics(), ...[...histograms.values()].map((one) => one.text())].join("\n"),
  };
}

function getOrMake<T>(made: Map<string, T>, name: string, make: () => T): T {
  let instrument = made.get(name);
  if (instrument === undefined) made.set(name, (instrument = make()));
  return instrument;
}

/** Labels by attribute: decisions come as often as calls, and the names are few. */
const labels = new Map<string, string>();

function label(attribute: string): string {
  return getOrMake(labels, attribute, () => attribute.replaceAll(".", "_"));
}

function labelled(attributes: Attributes): Attributes {
  const named: Record<string, string> = {};
  for (const name in attributes) named[label(name)] = attributes[name] ?? "";
  return named;
}
