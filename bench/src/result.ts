/** A line of the table: ours against a peer, measured in one run. */
export interface Result {
  readonly name: string;
  /** Median. */
  readonly ours: number;
  /** Median; null where there is nothing to compare with. */
  readonly peer: number | null;
  readonly peerName: string | null;
  /** Median of the ratios of neighbouring runs; above 1 is ours ahead. Null without a peer. */
  readonly ratio: number | null;
  readonly unit: string;
}

/** What the command line says of how benchmarks are run. */
export interface RunOptions {
  /** How long what lasts is to last, where a benchmark has a length to choose. */
  readonly seconds?: number;
}

/** A benchmark: one name on the command line, one or more lines. */
export interface Benchmark {
  readonly name: string;
  /** One sentence for the page: what is measured against what. */
  readonly about: string;
  run(options?: RunOptions): Promise<readonly Result[]>;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that a share of all values lies at or below. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  if (value === undefined) throw new Error("no values");
  return value;
}

/** Medians of ours and a peer's, and of the ratios of neighbouring runs. */
export interface Comparison {
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
}

/**
 * Figures of ours and a peer, taken in turn: a machine that slows down slows both. Each names its figures, and larger
 * is better. The first run of each warms up and does not count.
 */
export async function interleave<Name extends string>(
  rounds: number,
  ours: () => Promise<Readonly<Record<Name, number>>>,
  peer: () => Promise<Readonly<Record<Name, number>>>,
): Promise<(name: Name) => Comparison> {
  await ours();
  await peer();
  const pairs: { readonly ours: Readonly<Record<Name, number>>; readonly peer: Readonly<Record<Name, number>> }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    // Every other round starts with the peer, so that neither always runs on a rested machine.
    const first = round % 2 === 0 ? await ours() : await peer();
    const second = round % 2 === 0 ? await peer() : await ours();
    pairs.push(round % 2 === 0 ? { ours: first, peer: second } : { ours: second, peer: first });
  }
  return (name) => ({
    ours: median(pairs.map((pair) => pair.ours[name])),
    peer: median(pairs.map((pair) => pair.peer[name])),
    ratio: median(pairs.map((pair) => pair.ours[name] / pair.peer[name])),
  });
}
