import { format } from "prettier";
import { findingsText } from "./findings.ts";
import type { Report, Scenario } from "./simulate.ts";

/** The part of the page that others write is between these. */
const [begin, end] = ["<!-- survival:begin -->", "<!-- survival:end -->"];

const columns = "| policy | p50 ms | p99 ms | p99.9 ms | failed | retries | busiest | evenness | recovers | settles |";
const alignment = "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/**
 * `docs/reference/balancing.md`.
 *
 * @param before the page as it is: what others wrote there stays
 * @throws RangeError when a row is missing that a finding cites
 */
export function page(scenarios: readonly Scenario[], reports: readonly Report[], before: string): Promise<string> {
  const seed = reports[0]?.seed ?? 0;
  const text = [
    "# Balancing",
    "",
    "How the policies for the choice of an instance do on bad days: in a simulation, and beside it with real processes.",
    "",
    "## Findings",
    "",
    findingsText((name) => reports.filter(({ scenario }) => scenario === name).map(row)),
    "",
    "## Simulated",
    "",
    `Written by \`npm run simulate -- --write --seed ${seed}\`. Clock, network, instances and callers are simulated; what decides (balancing, ejection, retries, hedging, breakers, limits) is the code of \`libs/resilience\` that the transport runs. The same seed gives the same table.`,
    "",
    "Unless it says otherwise twelve instances with two workers each, good for 2,400 calls a second, are called 1,200 times a second by twelve processes; where there are three, they have four workers each, are called 450 times a second and can spare one. A call takes 10 ms of work (log-normal) and has a deadline of 2 s; a message takes 0.25 ms. Latencies are those of calls that went well while the fault lasted, failed calls those whose caller got no answer, retries the tries beyond the first of a call; hedges are second tries too. Busiest: most work on one instance for its weight, over the mean of those that were there all the time; evenness is Jain's index of the same. Recovers: from the beginning of the fault until p99 is within 1.2 of before and stays so, failed calls counted as slower than any; settles: likewise from its end.",
    "",
    ...scenarios.flatMap((scenario) => table(scenario, reports)),
    "## Real processes",
    "",
    begin,
    "",
    kept(before),
    "",
    end,
  ];
  return format(text.join("\n") + "\n", { parser: "markdown", printWidth: 120 });
}

/** One row of the page, as it stands there but for the spaces that align it. */
export function row(report: Report): string {
  const { policy, p50Ms, p99Ms, p999Ms, failedShare, retriesShare, hedgesShare, maxOverMean, fairness } = report;
  const cells = [
    policy,
    ...[p50Ms, p99Ms, p999Ms].map((ms) => ms.toFixed(1)),
    ...[failedShare, retriesShare + hedgesShare].map((share) => percent(share)),
    maxOverMean.toFixed(2),
    fairness.toFixed(3),
    ...[report.recoveredMs, report.settledMs].map((ms) => (ms === null ? "never" : `${(ms / 1_000).toFixed(1)} s`)),
  ];
  return `| ${cells.join(" | ")} |`;
}

function table({ name, about }: Scenario, reports: readonly Report[]): string[] {
  const rows = reports.filter(({ scenario }) => scenario === name).map(row);
  return rows.length === 0
    ? []
    : [`### ${name}`, "", `${about[0]?.toUpperCase()}${about.slice(1)}.`, "", columns, alignment, ...rows, ""];
}

/** None at all reads otherwise than a few. */
function percent(share: number): string {
  if (share === 0) return "0";
  return share < 0.0001 ? "< 0.01 %" : `${(share * 100).toFixed(2)} %`;
}

function kept(before: string): string {
  const from = before.indexOf(begin);
  const to = before.indexOf(end);
  return from >= 0 && to > from ? before.slice(from + begin.length, to).trim() : "";
}
