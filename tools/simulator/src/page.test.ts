import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { contestants, contestantsOf } from "./contestants.ts";
import { page, row } from "./page.ts";
import { scenarios } from "./scenarios.ts";
import { simulate } from "./simulate.ts";

const path = join(import.meta.dirname, "../../../docs/reference/balancing.md");
const hint = "run `npm run simulate -- --write`";

/** Rows as the page has them, but for the spaces that align them. */
function rowsOf(text: string, scenario: string): string[] {
  const [, rest = ""] = text.split(`### ${scenario}\n`);
  const [section = ""] = rest.split(/^##/m);
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(1).map((line) => line.replaceAll(/ +/g, " ").trim());
}

test("every scenario has a row for each policy", async () => {
  const text = await readFile(path, "utf8");
  for (const { name } of scenarios) {
    const policies = rowsOf(text, name)
      .map((line) => line.split(" | ")[0]?.slice(2))
      .filter((policy) => policy?.startsWith("-") === false);
    expect(policies, `${name}: ${hint}`).toEqual(contestantsOf(name).map((contestant) => contestant.name));
  }
});

test("the rows are what a simulation gives", async () => {
  const text = await readFile(path, "utf8");
  const seed = Number(/--seed (\d+)/.exec(text)?.[1]);
  for (const scenario of scenarios.filter(({ name }) => name === "steady-3" || name === "failing-3")) {
    for (const contestant of contestants.filter(({ name }) => name === "p2c-ewma" || name === "plain")) {
      expect(rowsOf(text, scenario.name), hint).toContain(row(simulate(scenario, contestant, seed)));
    }
  }
});

test("what others wrote on the page stays", async () => {
  const before =
    "<!-- survival:begin -->\n\nKilled: 0 failed.\n\n<!-- survival:end -->\n<!-- findings:begin -->Good.<!-- findings:end -->";
  const once = await page(scenarios, [], before);
  expect(once).toContain("<!-- survival:begin -->\n\nKilled: 0 failed.\n\n<!-- survival:end -->");
  expect(once).toContain("<!-- findings:begin -->\n\nGood.\n\n<!-- findings:end -->");
  expect(await page(scenarios, [], once)).toBe(once);
});
