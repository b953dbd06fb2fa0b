import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { contestants, contestantsOf } from "./contestants.ts";
import { page, row } from "./page.ts";
import { scenarios } from "./scenarios.ts";
import { type Report, simulate } from "./simulate.ts";

const usage = `npm run simulate -- [SCENARIO…] [--policy NAME]… [--seed S] [--json]
npm run simulate -- --write [--seed S]

  --policy NAME  only this one; may be given more than once
  --seed S       a whole number that all chance follows from; default 1
  --json         every result is a JSON object on a line of its own
  --write        writes docs/reference/balancing.md, of all scenarios and policies

Scenarios: ${scenarios.map(({ name }) => name).join(", ")}
Policies: ${contestants.map(({ name }) => name).join(", ")}

Exit code 1: a call was lost or ended twice, which is a fault of the simulation.`;

const pagePath = join(import.meta.dirname, "../../../docs/reference/balancing.md");

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) {
    console.error(usage);
    return 2;
  }
  const reports: Report[] = [];
  for (const scenario of scenarios.filter(({ name }) => flags.isWanted.scenario(name))) {
    if (!flags.json) console.log(`\n${scenario.name}: ${scenario.about}`);
    for (const contestant of contestantsOf(scenario).filter(({ name }) => flags.isWanted.policy(name))) {
      const report = simulate(scenario, contestant, flags.seed);
      reports.push(report);
      console.log(flags.json ? JSON.stringify(report) : row(report));
    }
  }
  if (flags.write) await writeFile(pagePath, await page(scenarios, reports, await readPage()));
  return reports.some(({ unaccounted }) => unaccounted > 0) ? 1 : 0;
}

async function readPage(): Promise<string> {
  try {
    return await readFile(pagePath, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

interface Flags {
  readonly isWanted: { readonly scenario: (name: string) => boolean; readonly policy: (name: string) => boolean };
  readonly seed: number;
  readonly json: boolean;
  readonly write: boolean;
}

/** Undefined when they make no sense, or help is asked for. */
function readFlags(): Flags | undefined {
  const parsed = parse();
  if (parsed === undefined || parsed.values.help) return undefined;
  const { json, write, policy: policies, seed } = parsed.values;
  const names = parsed.positionals;
  const isUnknown =
    names.some((name) => scenarios.every((scenario) => scenario.name !== name)) ||
    policies.some((name) => contestants.every((contestant) => contestant.name !== name));
  if (isUnknown || !/^\d{1,9}$/.test(seed) || (write && names.length + policies.length > 0)) return undefined;
  const isWanted = {
    scenario: (name: string) => names.length === 0 || names.includes(name),
    policy: (name: string) => policies.length === 0 || policies.includes(name),
  };
  return { isWanted, seed: Number(seed), json, write };
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        policy: { type: "string", multiple: true, default: [] },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch {
    // A flag that there is not.
    return undefined;
  }
}
