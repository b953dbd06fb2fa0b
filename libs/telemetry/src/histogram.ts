/** What a {@link Histogram} is made of. */
export interface HistogramOptions {
  /** As Prometheus writes it. */
  readonly name: string;
  readonly about: string;
  /** Names of the attributes, and as what Prometheus knows them. */
  readonly labels: readonly { readonly attribute: string; readonly label: string }[];
  /** Upper bounds, growing. */
  readonly buckets: readonly number[];
}

/** What was seen with the same attributes. */
interface Series {
  /** `name="value"` and so on. */
  readonly labels: readonly string[];
  /** Of each bucket, those of smaller ones not counted in; the last is for what is above all bounds. */
  readonly counts: number[];
  sum: number;
}

/** What is known of the values of the first attributes: by that of the next one, and in the end the series. */
interface Node {
  series: Series | undefined;
  readonly next: Map<string, Node>;
}

/**
 * A distribution for each combination of attributes, in Prometheus' text format. Our own, since it is on the way of every
 * call: the histogram of prom-client sorts, joins and hashes labels by name each time, at ten times the cost.
 */
export class Histogram {
  readonly #options: HistogramOptions;
  readonly #series: Series[] = [];
  readonly #root: Node = { series: undefined, next: new Map() };

  constructor(options: HistogramOptions) {
    this.#options = options;
    // Without attributes there is one from the beginning.
    if (options.labels.length === 0) this.#seriesOf({});
  }

  /** Counts a value. An attribute that is missing is an empty one. */
  record(value: number, attributes: Readonly<Record<string, string>>): void {
    const { buckets } = this.#options;
    const series = this.#seriesOf(attributes);
    let at = 0;
    while (at < buckets.length && value > (buckets[at] ?? 0)) at += 1;
    series.counts[at] = (series.counts[at] ?? 0) + 1;
    series.sum += value;
  }

  /** Its lines in Prometheus' text format, each with its end. */
  text(): string {
    const { name, about, buckets } = this.#options;
    let text = `# HELP ${name} ${about}\n# TYPE ${name} histogram\n`;
    for (const { labels, counts, sum } of this.#series) {
      let count = 0;
      counts.forEach((own, at) => {
        count += own;
        text += `${name}_bucket${braced([`le="${buckets[at] ?? "+Inf"}"`, ...labels])} ${count}\n`;
      });
      text += `${name}_sum${braced(labels)} ${sum}\n${name}_count${braced(labels)} ${count}\n`;
    }
    return text;
  }

  /** Looked up one attribute after the other: to join them to one key would cost more than all the rest. */
  #seriesOf(attributes: Readonly<Record<string, string>>): Series {
    let node = this.#root;
    for (const { attribute } of this.#options.labels) {
      const value = attributes[attribute] ?? "";
      let next = node.next.get(value);
      if (next === undefined) node.next.set(value, (next = { series: undefined, next: new Map() }));
      node = next;
    }
    return (node.series ??= this.#newSeries(attributes));
  }

  #newSeries(attributes: Readonly<Record<string, string>>): Series {
    const { labels, buckets } = this.#options;
    const series = {
      labels: labels.map(({ attribute, label }) => `${label}="${escaped(attributes[attribute] ?? "")}"`),
      counts: new Array<number>(buckets.length + 1).fill(0),
      sum: 0,
    };
    this.#series.push(series);
    return series;
  }
}

function braced(labels: readonly string[]): string {
  return labels.length === 0 ? "" : `{${labels.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
