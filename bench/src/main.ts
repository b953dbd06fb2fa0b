import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bulk } from "./bulk.ts";
import { gateway } from "./gateway.ts";
import { kafka } from "./kafka.ts";
import { freshness, freshnessStack, loading, startUp } from "./mesh.ts";
import { meshClient } from "./mesh-client.ts";
import { eventLatency, relay } from "./outbox.ts";
import { overload } from "./overload.ts";
import { page } from "./page.ts";
import type { Result, RunOptions } from "./result.ts";
import { state } from "./state.ts";

const benchmarks = [
  meshClient,
  gateway,
  loading,
  freshness,
  startUp,
  kafka,
  state,
  bulk,
  relay,
  eventLatency,
  freshnessStack,
  overload,
];
const resultsPath = join(import.meta.dirname, "../results.json");
const pagePath = join(import.meta.dirname, "../../docs/reference/performance.md");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean" }, seconds: { type: "string" } },
});
const seconds = values.seconds === undefined ? {} : { seconds: Number(values.seconds) };
process.exitCode = await main(positionals, values.json ?? false, seconds);

async function main(names: readonly string[], json: boolean, options: RunOptions): Promise<number> {
  if (process.platform !== "linux") {
    console.error("the benchmarks read CPU time and memory of processes from /proc, so they run on Linux only");
    return 1;
  }
  const unknown = names.filter((name) => benchmarks.every((benchmark) => benchmark.name !== name));
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(", ")}; there are ${benchmarks.map(({ name }) => name).join(", ")}`);
    return 1;
  }
  const results = await readResults();
  for (const benchmark of benchmarks) {
    if (names.length > 0 && !names.includes(benchmark.name)) continue;
    const rows = await benchmark.run(options);
    results.set(benchmark.name, rows);
    for (const row of rows) console.log(json ? JSON.stringify(row) : line(row));
  }
  await writeFile(resultsPath, JSON.stringify(Object.fromEntries(results), null, 2) + "\n");
  await writeFile(pagePath, page(benchmarks, results));
  return 0;
}

function line({ name, ours, peer, peerName, ratio, unit }: Result): string {
  const against = peer === null ? "" : `  ${peerName} ${peer.toFixed(1)}  ratio ${ratio?.toFixed(2)}`;
  return `${name.padEnd(24)} ${ours.toFixed(1)} ${unit}${against}`;
}

/** Earlier results stay on the page when only some benchmarks are run. */
async function readResults(): Promise<Map<string, readonly Result[]>> {
  try {
    const parsed: unknown = JSON.parse(await readFile(resultsPath, "utf8"));
    return new Map(Object.entries(parsed as Record<string, Result[]>));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw error;
  }
}
