import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { contestants, contestantsOf } from "./contestants.ts";
import { type Citation, findingsText, refuted } from "./findings.ts";
import { page, row } from "./page.ts";
import { scenarios } from "./scenarios.ts";
import { type Report, simulate } from "./simulate.ts";

const path = join(import.meta.dirname, "../../../docs/reference/balancing.md");
const hint = "run `npm run simulate -- --write`";
/** They take tens of seconds. */
const long = ["large", "crowd", "overload"];

let text = "";

beforeAll(async () => {
  text = await readFile(path, "utf8");
});

/** Rows as the page has them, but for the spaces that align them. */
function rowsOf(scenario: string): string[] {
  const [, rest = ""] = text.split(`### ${scenario}\n`);
  const [section = ""] = rest.split(/^##/m);
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) => line.replaceAll(/ +/g, " ").trim());
}

test("every scenario has a row for each policy", () => {
  for (const scenario of scenarios) {
    const policies = rowsOf(scenario.name).map((line) => line.split(" | ")[0]?.slice(2));
    expect(policies, `${scenario.name}: ${hint}`).toEqual(contestantsOf(scenario).map(({ name }) => name));
  }
});

test("the findings cite the tables, and the tables bear them out", () => {
  expect(text, hint).toContain(findingsText(rowsOf));
  expect(refuted(rowsOf), "these findings no longer say what is so").toEqual([]);
});

test("the rows that they cite are what a simulation gives", () => {
  const seed = Number(/--seed (\d+)/.exec(text)?.[1]);
  const cited = new Map<string, Citation>();
  findingsText(rowsOf, (citation) => cited.set(JSON.stringify(citation), citation));
  for (const { scenario: name, policy } of cited.values()) {
    if (long.includes(name)) continue;
    const scenario = scenarios.find((one) => one.name === name);
    const contestant = contestants.find((one) => one.name === policy);
    if (scenario === undefined || contestant === undefined) throw new Error(`there is no ${policy} in ${name}`);
    expect(rowsOf(name), `${name}: ${hint}`).toContain(row(simulate(scenario, contestant, seed)));
  }
}, 120_000);

test("what others wrote on the page stays", async () => {
  const before = "<!-- survival:begin -->\n\nKilled: 0 failed.\n\n<!-- survival:end -->\n";
  const once = await page(scenarios, reports(), before);
  expect(once).toContain("<!-- survival:begin -->\n\nKilled: 0 failed.\n\n<!-- survival:end -->");
  expect(await page(scenarios, reports(), once)).toBe(once);
});

test("a page without the rows that are cited is none", () => {
  expect(() => page(scenarios, [], "")).toThrow(RangeError);
});

/** Of every scenario and policy, with nothing in it. */
function reports(): Report[] {
  const nothing = { failed: 0, refused: 0, late: 0, nobody: 0, broken: 0 };
  const empty = {
    ...{ seed: 1, calls: 0, ok: 0, failed: nothing, failedShare: 0, p50Ms: 1, p99Ms: 1, p999Ms: 1, worked: [] },
    ...{ retriesShare: 0, retriedThereShare: 0, hedgesShare: 0, goodputPerS: 0, maxOverMean: 1, fairness: 1 },
    ...{ recoveredMs: 0, settledMs: 0, unaccounted: 0 },
  };
  return scenarios.flatMap((scenario) =>
    contestantsOf(scenario).map(({ name }) => ({ ...empty, scenario: scenario.name, policy: name })),
  );
}
