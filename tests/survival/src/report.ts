import type { Outcome } from "./survival.ts";
import type { Check } from "./verdict.ts";

/** Ways to fail and failed calls that are told. */
const mostTold = 10;

/** An outcome in words, a line and those that explain it. */
export function linesOf({
  scenario,
  verdict,
  failures,
  examples,
  degraded,
  resent,
  sickShare,
  decisions,
}: Outcome): readonly string[] {
  const { holds, checks, calls, failedOnce, p99 } = verdict;
  const found = checks.map((check) => `${textOf(check)}${check.holds ? "" : " (!)"}`);
  const times = [p99.before, p99.fault, p99.after].map((ms) => ms.toFixed(1)).join(" → ");
  const p99s = Number.isNaN(p99.before) ? [] : [`p99 ${times} ms`];
  const head = [`${scenario.padEnd(8)} ${holds ? "holds" : "FAILS"}`, `${calls} calls`, ...found, ...p99s];
  const once = failedOnce === 0 ? [] : [`${failedOnce} failed that may not be retried`];
  const marked = degraded === 0 ? [] : [`${degraded} degraded`];
  const sick = sickShare === undefined ? [] : [`${percent(sickShare)} of calls to the sick`];
  const again = resent === 0 ? [] : [`${resent} sent again to the other gateway`];
  const kinds = Object.entries(decisions).filter(([, count]) => count > 0);
  return [
    [...head, ...sick, ...once, ...marked, ...again].join(" · "),
    ...(kinds.length === 0 ? [] : [`  decided: ${kinds.map(([kind, count]) => `${kind} ${count}`).join(", ")}`]),
    ...failures.slice(0, mostTold).map(([what, count]) => `  ${count} × ${what}`),
    ...examples
      .slice(0, mostTold)
      .map(({ atMs, tookMs, what }) => `  at ${(atMs / 1000).toFixed(2)} s, after ${tookMs.toFixed(0)} ms: ${what}`),
  ];
}

function textOf({ name, value, limit }: Check): string {
  switch (name) {
    case "failed":
      return `${value} failed`;
    case "recovery":
      return value === undefined ? "never as fast as before" : `back in ${seconds(value)} of ${seconds(limit)}`;
    case "evenness":
      return `load ${value?.toFixed(2)} of ${limit}`;
    case "retries":
      return `retries ${percent(value)} of ${percent(limit)}`;
  }
}

/** One line of a run with `--json`. */
export interface Row {
  readonly profile: string;
  readonly scenario: string;
  readonly holds: boolean;
  readonly perSecond: number;
  readonly calls: number;
  /** Of those that may be retried. */
  readonly failed: number;
  readonly failedOnce: number;
  readonly degraded: number;
  /** Null: not reached, or not looked for. */
  readonly recoveryMs: number | null;
  readonly evenness: number | null;
  readonly retries: number | null;
  /** Share of calls that the sick replicas got meanwhile. */
  readonly sickShare: number | null;
  readonly p99Ms: { readonly before: number | null; readonly fault: number | null; readonly after: number | null };
}

export function rowOf(outcome: Outcome, about: { readonly profile: string; readonly perSecond: number }): Row {
  const { scenario, verdict, degraded, sickShare } = outcome;
  const { holds, checks, calls, failedOnce, p99 } = verdict;
  const valueOf = (name: Check["name"]): number | null => rounded(checks.find((check) => check.name === name)?.value);
  return {
    ...about,
    scenario,
    holds,
    calls,
    failed: valueOf("failed") ?? 0,
    failedOnce,
    degraded,
    recoveryMs: valueOf("recovery"),
    evenness: valueOf("evenness"),
    retries: valueOf("retries"),
    sickShare: rounded(sickShare),
    p99Ms: { before: rounded(p99.before), fault: rounded(p99.fault), after: rounded(p99.after) },
  };
}

const begin = "<!-- survival:begin -->";
const end = "<!-- survival:end -->";

/** The page with a table of all rows between the two marks; they are added at its end where there are none. */
export function withTable(page: string, rows: readonly Row[]): string {
  const section = `${begin}\n\n${table(rows)}\n${end}`;
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) return `${page.trimEnd()}\n\n## With real processes\n\n${section}\n`.trimStart();
  return page.slice(0, from) + section + page.slice(to + end.length);
}

function table(rows: readonly Row[]): string {
  const titles = [
    "fault",
    "profile",
    "calls",
    "failed",
    "failed, once",
    "p99 before",
    "with it",
    "after it",
    "back after",
    "load",
    "retries",
    "to the sick",
  ];
  const cells = rows.map((row) => {
    const { p99Ms } = row;
    const times = [p99Ms.before, p99Ms.fault, p99Ms.after].map((ms) => (ms === null ? "" : `${ms.toFixed(1)} ms`));
    const back = row.recoveryMs === null ? "" : seconds(row.recoveryMs);
    const [retries, sick] = [row.retries, row.sickShare].map((share) => (share === null ? "" : percent(share)));
    const [calls, failed, once] = [row.calls, row.failed, row.failedOnce].map((count) => count.toLocaleString("en"));
    const load = row.evenness === null ? "" : row.evenness.toFixed(2);
    return [row.scenario, row.profile, calls, failed, once, ...times, back, load, retries, sick];
  });
  const all = [titles, titles.map(() => "---"), ...cells];
  return all.map((line) => `| ${line.join(" | ")} |\n`).join("");
}

function rounded(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Math.round(value * 1000) / 1000;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function percent(share: number | undefined): string {
  return `${((share ?? 0) * 100).toFixed(1)} %`;
}
