import { expect, test } from "vitest";
import { linesOf, rowOf, withTable } from "./report.ts";
import type { Outcome } from "./survival.ts";

const outcome: Outcome = {
  scenario: "kill",
  verdict: {
    holds: false,
    checks: [
      { name: "failed", holds: false, value: 2, limit: 0 },
      { name: "recovery", holds: true, value: 300, limit: 1000 },
      { name: "evenness", holds: true, value: 1.04, limit: 1.3 },
      { name: "retries", holds: true, value: 0.012, limit: 0.1 },
    ],
    calls: 24_000,
    failedOnce: 3,
    p99: { before: 8.1, fault: 9.04, after: 8.2 },
  },
  degraded: 5,
  sickShare: undefined,
  resent: 0,
  failures: [["read GET /api/v1/users/{id}: 503 UNAVAILABLE", 2]],
  examples: [{ atMs: 120, tookMs: 2001, what: "read GET /api/v1/users/{id}: 503 UNAVAILABLE" }],
  decisions: { retried: 240, ejected: 0 },
};

test("an outcome in words", () => {
  expect(linesOf(outcome)).toEqual([
    "kill     FAILS · 24000 calls · 2 failed (!) · back in 0.3 s of 1.0 s · load 1.04 of 1.3 · retries 1.2 % of 10.0 % · p99 8.1 → 9.0 → 8.2 ms · 3 failed that may not be retried · 5 degraded",
    "  decided: retried 240",
    "  2 × read GET /api/v1/users/{id}: 503 UNAVAILABLE",
    "  at 0.12 s, after 2001 ms: read GET /api/v1/users/{id}: 503 UNAVAILABLE",
  ]);
});

const row = rowOf(outcome, { profile: "embedded", perSecond: 400 });

test("an outcome as a row", () => {
  expect(row).toEqual({
    profile: "embedded",
    perSecond: 400,
    scenario: "kill",
    holds: false,
    calls: 24_000,
    failed: 2,
    failedOnce: 3,
    degraded: 5,
    recoveryMs: 300,
    evenness: 1.04,
    retries: 0.012,
    sickShare: null,
    p99Ms: { before: 8.1, fault: 9.04, after: 8.2 },
  });
  const verdict = { ...outcome.verdict, checks: [], p99: { before: Number.NaN, fault: Number.NaN, after: Number.NaN } };
  expect(rowOf({ ...outcome, verdict }, { profile: "stack", perSecond: 1 })).toMatchObject({
    recoveryMs: null,
    p99Ms: { before: null },
  });
});

test("the table goes between its marks, and leaves the rest of the page", () => {
  const first = withTable("# Balancing\n\nText.\n", [row]);
  expect(first).toMatch(/^# Balancing\n\nText\.\n\n## With real processes\n\n<!-- survival:begin -->\n/);
  expect(first).toContain(
    "| kill | embedded | 24,000 | 2 | 3 | 8.1 ms | 9.0 ms | 8.2 ms | 0.3 s | 1.04 | 1.2 % |  |\n",
  );
  expect(withTable(first, [row])).toBe(first);
  const page = "before\n<!-- survival:begin -->old<!-- survival:end -->\nafter\n";
  expect(withTable(page, [])).toMatch(/^before\n<!-- survival:begin -->[^]*<!-- survival:end -->\nafter\n$/);
  expect(withTable(page, [])).not.toContain("old");
});
