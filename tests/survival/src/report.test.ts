import { expect, test } from "vitest";
import { linesOf, rowOf, timelineLinesOf, withTable } from "./report.ts";
import type { Outcome } from "./survival.ts";

const outcome: Outcome = {
  scenario: "kill",
  verdict: {
    holds: false,
    checks: [
      { name: "failed", holds: false, value: 2, limit: 0 },
      { name: "recovery", holds: true, value: 300, limit: 1000 },
      { name: "evenness", holds: true, value: 1.04, limit: 1.3, of: "search" },
      { name: "retries", holds: true, value: 0.012, limit: 0.1 },
    ],
    calls: 24_000,
    failedOnce: 3,
    p50: { before: 4, fault: 4.1, after: 4 },
    p99: { before: 8.1, fault: 9.04, after: 8.2 },
    normal: { before: 9, fault: 9.5, after: 9.1 },
    quiet: { before: 7, fault: 7.2, after: 7 },
    evenness: { user: 1.01, search: 1.04 },
  },
  degraded: 5,
  calmShare: 0.62,
  sickShare: undefined,
  resent: 0,
  failures: [["read GET /api/v1/users/{id}: 503 UNAVAILABLE", 2]],
  examples: [{ atMs: 120, tookMs: 2001, what: "read GET /api/v1/users/{id}: 503 UNAVAILABLE" }],
  decisions: { retried: 240, ejected: 0 },
  timeline: [
    { at: -1, calls: 400, p50: 4, p99: 8.1, max: 12.5 },
    { at: 0, calls: 0, p50: null, p99: null, max: null },
  ],
};

test("an outcome in words", () => {
  expect(linesOf(outcome)).toEqual([
    "kill     FAILS · 24000 calls · 2 failed (!) · back in 0.3 s of 1.0 s · load 1.04 of 1.3 (search) · retries 1.2 % of 10.0 % · p50 4.0 → 4.1 → 4.0 ms · p99 8.1 → 9.0 → 8.2 ms · normal 9.0 → 9.5 → 9.1 ms · quiet 7.0 → 7.2 → 7.0 ms · calm 62.0 % · 3 failed that may not be retried · 5 degraded",
    "  decided: retried 240",
    "  2 × read GET /api/v1/users/{id}: 503 UNAVAILABLE",
    "  at 0.12 s, after 2001 ms: read GET /api/v1/users/{id}: 503 UNAVAILABLE",
  ]);
});

test("a control is neither good nor bad", () => {
  expect(linesOf({ ...outcome, isControl: true })[0]).toMatch(/^kill +control · /);
});

test("its seconds", () => {
  expect(timelineLinesOf(outcome)).toEqual([
    "  second   calls     p50     p99     max",
    "      -1     400       4     8.1    12.5",
    "       0       0                        ",
  ]);
  expect(timelineLinesOf({ ...outcome, timeline: [] })).toEqual([]);
});

const row = rowOf(outcome, { profile: "embedded", policy: "p2c-ewma", perSecond: 400 });

test("an outcome as a row", () => {
  expect(row).toEqual({
    profile: "embedded",
    policy: "p2c-ewma",
    perSecond: 400,
    scenario: "kill",
    holds: false,
    isControl: false,
    broken: ["failed"],
    runs: 1,
    calls: 24_000,
    failed: 2,
    failedOnce: 3,
    degraded: 5,
    recoveryMs: 300,
    evenness: 1.04,
    evennessOf: { user: 1.01, search: 1.04 },
    retries: 0.012,
    calmShare: 0.62,
    sickShare: null,
    p50Ms: { before: 4, fault: 4.1, after: 4 },
    p99Ms: { before: 8.1, fault: 9.04, after: 8.2 },
    normalMs: { before: 9, fault: 9.5, after: 9.1 },
    quietMs: { before: 7, fault: 7.2, after: 7 },
  });
  const verdict = { ...outcome.verdict, checks: [], p99: { before: Number.NaN, fault: Number.NaN, after: Number.NaN } };
  expect(rowOf({ ...outcome, verdict }, { profile: "stack", policy: "random", perSecond: 1 })).toMatchObject({
    recoveryMs: null,
    p99Ms: { before: null },
  });
});

test("the table goes between its marks, and leaves the rest of the page", () => {
  const first = withTable("# Balancing\n\nText.\n", [row]);
  expect(first).toMatch(/^# Balancing\n\nText\.\n\n## With real processes\n\n<!-- survival:begin -->\n/);
  expect(first).toContain(
    "| kill | embedded | p2c-ewma | 1 | 400 | 24,000 | 2 | 3 | 4.0, 4.1, 4.0 ms | 8.1, 9.0, 8.2 ms | 9.0, 9.5, 9.1 ms | 7.0, 7.2, 7.0 ms | 62.0 % | 0.3 s | 1.04 | 1.2 % |  | fails: failed |\n",
  );
  expect(withTable(first, [row])).toBe(first);
  const page = "before\n<!-- survival:begin -->old<!-- survival:end -->\nafter\n";
  expect(withTable(page, [])).toMatch(/^before\n<!-- survival:begin -->[^]*<!-- survival:end -->\nafter\n$/);
  expect(withTable(page, [])).not.toContain("old");
});

test("a fault that is never over is told from one that nobody waits for", () => {
  const lost = { ...row, recoveryMs: null, broken: ["recovery"] as const };
  expect(withTable("", [lost])).toContain("| never |");
  expect(withTable("", [{ ...lost, broken: [] }])).not.toContain("never");
  expect(withTable("", [{ ...lost, isControl: true }])).toContain("| control |");
});

test("what the simulator wrote stays", () => {
  const simulated =
    "# Balancing\n\n<!-- findings:begin -->\n\nGood.\n\n<!-- findings:end -->\n\n### steady\n\n| a |\n\n";
  const page = `${simulated}## Real processes\n\n<!-- survival:begin -->\n\n<!-- survival:end -->\n`;
  const written = withTable(page, [row]);
  expect(written.startsWith(simulated)).toBe(true);
  expect(written.match(/survival:begin/g)).toHaveLength(1);
});
