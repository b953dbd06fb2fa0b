import { cpus, totalmem } from "node:os";
import type { Benchmark, Result } from "./result.ts";

/** `docs/reference/performance.md`. */
export function page(benchmarks: readonly Benchmark[], results: ReadonlyMap<string, readonly Result[]>): string {
  const out = [
    "# Performance",
    "",
    "Written by `npm run bench`. A row with a peer is the median of interleaved runs on one machine, and its ratio the median of the ratios of neighbouring runs: above 1 ours is ahead. Machines differ and are noisy: read ratios, not single figures.",
    "",
    `Last run on ${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}.`,
  ];
  for (const { name, about } of benchmarks) {
    const rows = results.get(name);
    if (rows === undefined) continue;
    out.push("", `## ${name}`, "", about, "", "| | ours | peer | ratio | |", "|---|--:|--:|--:|---|");
    for (const row of rows) {
      out.push(
        `| ${row.name} | ${figure(row.ours)} ${row.unit} | ${row.peerName === null ? "" : `${figure(row.peer ?? Number.POSITIVE_INFINITY)} ${row.unit}`} | ${row.ratio?.toFixed(2) ?? ""} | ${row.peerName === null ? "" : `against ${row.peerName}`} |`,
      );
    }
  }
  return out.join("\n") + "\n";
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}
