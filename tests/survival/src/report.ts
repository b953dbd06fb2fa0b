import type { Outcome } from "./survival.ts";
import type { Check, Times } from "./verdict.ts";

/** Ways to fail and failed calls that are told. */
const mostTold = 10;

const timeNames = ["p50", "p99", "normal", "quiet"] as const;

/** An outcome in words, a line and those that explain it. */
export function linesOf({
  scenario,
  isControl = false,
  verdict,
  failures,
  examples,
  degraded,
  resent,
  calmShare,
  sickShare,
  decisions,
}: Outcome): readonly string[] {
  const { holds, checks, calls, failedOnce } = verdict;
  const found = checks.map((check) => `${textOf(check)}${check.holds ? "" : " (!)"}`);
  const times = timeNames
    .filter((name) => !Number.isNaN(verdict[name].before))
    .map((name) => `${name} ${textOfTimes(verdict[name])}`);
  const word = isControl ? "control" : holds ? "holds" : "FAILS";
  const calm = calmShare === undefined ? [] : [`calm ${percent(calmShare)}`];
  const head = [`${scenario.padEnd(8)} ${word}`, `${calls} calls`, ...found, ...times, ...calm];
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

/** The seconds of an outcome, each a line. */
export function timelineLinesOf({ timeline }: Outcome): readonly string[] {
  const columns = (cells: readonly (string | number | null)[]): string =>
    cells.map((cell) => String(cell ?? "").padStart(8)).join("");
  if (timeline.length === 0) return [];
  return [
    ["second", "calls", "p50", "p99", "max"],
    ...timeline.map(({ at, calls, p50, p99, max }) => [at, calls, p50, p99, max]),
  ].map(columns);
}

function textOfTimes({ before, fault, after }: Times): string {
  return `${[before, fault, after].map((ms) => ms.toFixed(1)).join(" → ")} ms`;
}

function textOf({ name, value, limit, of }: Check): string {
  switch (name) {
    case "failed":
      return `${value} failed`;
    case "recovery":
      return value === undefined ? "never as fast as before" : `back in ${seconds(value)} of ${seconds(limit)}`;
    case "evenness":
      return `load ${value?.toFixed(2)} of ${limit} (${of})`;
    case "retries":
      return `retries ${percent(value)} of ${percent(limit)}`;
  }
}

/** One line of a run with `--json`. */
export interface Row {
  readonly profile: string;
  /** By which instances are chosen. */
  readonly policy: string;
  readonly scenario: string;
  readonly holds: boolean;
  /** Told beside the others and judged by nobody. */
  readonly isControl: boolean;
  /** The checks that do not hold. */
  readonly broken: readonly Check["name"][];
  readonly perSecond: number;
  /** How often it was looked at; see `together`. */
  readonly runs: number;
  readonly calls: number;
  /** Of those that may be retried. */
  readonly failed: number;
  readonly failedOnce: number;
  readonly degraded: number;
  /** Null: not reached, or not looked for. */
  readonly recoveryMs: number | null;
  readonly evenness: number | null;
  /** The same of each service. */
  readonly evennessOf: Readonly<Record<string, number | null>>;
  readonly retries: number | null;
  /** Share of the time that the machine's host left alone; null where nobody looked. */
  readonly calmShare: number | null;
  /** Share of calls that the sick replicas got meanwhile. */
  readonly sickShare: number | null;
  readonly p50Ms: RowTimes;
  readonly p99Ms: RowTimes;
  /** What 92 % of the seconds have their 99th percentile within, and what 10 % have. */
  readonly normalMs: RowTimes;
  readonly quietMs: RowTimes;
}

interface RowTimes {
  readonly before: number | null;
  readonly fault: number | null;
  readonly after: number | null;
}

export function rowOf(outcome: Outcome, about: Pick<Row, "profile" | "policy" | "perSecond">): Row {
  const { scenario, isControl = false, runs = 1, verdict, degraded, calmShare, sickShare } = outcome;
  const { holds, checks, calls, failedOnce, p50, p99, normal, quiet } = verdict;
  const valueOf = (name: Check["name"]): number | null => rounded(checks.find((check) => check.name === name)?.value);
  return {
    ...about,
    scenario,
    holds,
    isControl,
    broken: checks.filter((check) => !check.holds).map(({ name }) => name),
    runs,
    calls,
    failed: valueOf("failed") ?? 0,
    failedOnce,
    degraded,
    recoveryMs: valueOf("recovery"),
    evenness: valueOf("evenness"),
    evennessOf: Object.fromEntries(Object.entries(verdict.evenness).map(([of, value]) => [of, rounded(value)])),
    retries: valueOf("retries"),
    calmShare: rounded(calmShare),
    sickShare: rounded(sickShare),
    p50Ms: roundedTimes(p50),
    p99Ms: roundedTimes(p99),
    normalMs: roundedTimes(normal),
    quietMs: roundedTimes(quiet),
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
    "policy",
    "runs",
    "calls/s",
    "calls",
    "failed",
    "failed, once",
    "p50 before, with it, after",
    "p99",
    "normal second's p99",
    "quiet second's p99",
    "calm",
    "back after",
    "load",
    "retries",
    "to the sick",
    "verdict",
  ];
  const cells = rows.map((row) => {
    const times = [row.p50Ms, row.p99Ms, row.normalMs, row.quietMs].map(({ before, fault, after }) =>
      before === null ? "" : `${[before, fault, after].map((ms) => ms?.toFixed(1) ?? "?").join(", ")} ms`,
    );
    const isLost = row.recoveryMs === null && row.broken.includes("recovery");
    const back = row.recoveryMs === null ? (isLost ? "never" : "") : seconds(row.recoveryMs);
    const verdict = row.isControl ? "control" : row.holds ? "holds" : `fails: ${row.broken.join(", ")}`;
    const [calm, retries, sick] = [row.calmShare, row.retries, row.sickShare].map((share) =>
      typeof share !== "number" ? "" : percent(share),
    );
    const [calls, failed, once] = [row.calls, row.failed, row.failedOnce].map((count) => count.toLocaleString("en"));
    const load = row.evenness === null ? "n/a" : row.evenness.toFixed(2);
    return [
      row.scenario,
      row.profile,
      row.policy,
      String(row.runs),
      row.scenario.startsWith("cancel") ? "" : String(row.perSecond),
      calls,
      failed,
      once,
      ...times,
      calm,
      back,
      load,
      retries,
      sick,
      verdict,
    ];
  });
  const all = [titles, titles.map(() => "---"), ...cells];
  return all.map((line) => `| ${line.join(" | ")} |\n`).join("");
}

function roundedTimes({ before, fault, after }: Times): RowTimes {
  return { before: rounded(before), fault: rounded(fault), after: rounded(after) };
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
