import { randomInt } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random, runInFolder, wholeNumber } from "@weft/chaos-tests";
import { errorCode } from "@weft/kit";
import { balancingDefaults, balancingPolicies, type BalancingPolicy } from "@weft/resilience";
import { format } from "prettier";
import { cancelStorms } from "./cancels.ts";
import { overload } from "./overload.ts";
import { linesOf, type Row, rowOf, timelineLinesOf, withTable } from "./report.ts";
import { scenarios } from "./scenarios.ts";
import { together } from "./several.ts";
import { findRate, type Outcome, survive } from "./survival.ts";
import { isUnseen } from "./verdict.ts";
import { isSurvivalProfile, type SurvivalProfile, World } from "./world.ts";

const names = [...scenarios.map(({ name }) => name), "cancel", "overload"];
const usage = `npm run survive -- [--profile embedded|consul|stack] [--policy NAME] [--scenario NAME]… [--times N] [--seconds N] [--callers N] [--rate R] [--seed S] [--json] [--timeline] [--write]

  --profile P    on what the mesh runs: nothing but npm, the same with discovery and configuration on Consul, or all five
                 real servers; default embedded
  --policy NAME  by which every process chooses the instance that it calls, one of ${balancingPolicies.join(", ")};
                 default ${balancingDefaults.policy}. Those that go by a key have one for each caller
  --scenario S   one of ${names.join(", ")}; can be given several times; default: all
  --times N      how often each fault is looked at: how soon calls are as fast as before is the median of all, of the
                 rest the worst counts; default 1
  --seconds N    how long calls count in each scenario: a third before the fault, one with it, one after it; default 60
  --callers N    callers at the same time, each with a connection of its own; default 1000
  --rate R       calls a second of all callers together; default: a quarter of what 64 callers get that do not pause
                 (at half of it a machine has nothing to spare), found by trying twice, of which the second counts
  --seed S       a whole number that the calls follow from; default: any
  --json         every line is a JSON object
  --timeline     calls, p50, p99 and maximum of every second, as lines; with --json they are always there
  --write        puts the results into docs/reference/balancing.md

Exit code 0: in every scenario, also in that where nothing happens, no call failed that may be retried, calls were as
fast as before in time, the healthy replicas shared the load evenly, and retries stayed within their budget.`;

const resultsPath = join(import.meta.dirname, "../results.json");
const pagePath = join(import.meta.dirname, "../../../docs/reference/balancing.md");
/** Ten cold processes compile what they run and grow their heaps; later only those are cold that a scenario started anew. */
const warmUpsMs = { first: 30_000, later: 15_000 };
/** How often a scenario is run again of which nothing could be seen. */
const mostAgain = 2;
const storm = { cancelled: 5000, innocent: 1000 };

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) {
    console.error(usage);
    return 2;
  }
  return runInFolder("survival", async (folder, signal) => {
    const rows = await run(flags, folder, signal);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    if (flags.write) await write(rows);
    return rows.every(({ holds, isControl }) => holds || isControl) ? 0 : 1;
  });
}

async function run(flags: Flags, folder: string, signal: AbortSignal): Promise<readonly Row[]> {
  const { profile, policy, seconds, callers, seed, json } = flags;
  const say = (line: string): void => console.log(line);
  await using world = await World.open({ profile, policy, folder, random: new Random(seed), signal });
  const perSecond = flags.rate ?? (await findRate(world, { seed }));
  const about = { profile, policy, perSecond };
  say(
    json
      ? JSON.stringify({ event: "start", seed, callers, seconds, ...about })
      : `seed ${seed}, ${profile}, ${policy}, ${callers} callers, ${perSecond} calls/s`,
  );
  const rows: Row[] = [];
  const tell = (outcome: Outcome): void => {
    const row = rowOf(outcome, about);
    rows.push(row);
    const { failures, examples, decisions, timeline } = outcome;
    if (json) say(JSON.stringify({ event: "scenario", ...row, decisions, failures, examples, timeline }));
    else for (const line of [...linesOf(outcome), ...(flags.timeline ? timelineLinesOf(outcome) : [])]) say(line);
  };
  const options = () => {
    const warmUpMs = rows.length === 0 ? warmUpsMs.first : warmUpsMs.later;
    return { forMs: seconds * 1000, warmUpMs, callers, perSecond, seed, signal };
  };
  for (const scenario of scenarios) {
    if (!flags.scenarios.includes(scenario.name)) continue;
    signal.throwIfAborted();
    const once = async (): Promise<Outcome> => {
      let outcome = await survive(scenario, world, options());
      // What the machine's host hid is looked at again.
      for (let again = 0; again < mostAgain && isUnseen(outcome.verdict); again += 1) {
        say(
          json ? JSON.stringify({ event: "unseen", scenario: scenario.name }) : `${scenario.name}: unseen, once more`,
        );
        outcome = await survive(scenario, world, options());
      }
      return outcome;
    };
    const outcomes: [Outcome, ...Outcome[]] = [await once()];
    while (outcomes.length < flags.times) outcomes.push(await once());
    tell(together(outcomes));
  }
  if (flags.scenarios.includes("cancel")) {
    await world.place("nothing");
    for (const outcome of await cancelStorms(world, storm)) tell(outcome);
  }
  if (flags.scenarios.includes("overload")) tell(await overload(world, options()));
  return rows;
}

/** Keeps the results of other scenarios, profiles and policies. */
async function write(rows: readonly Row[]): Promise<void> {
  const isNew = (old: Row): boolean =>
    rows.some(
      ({ scenario, profile, policy }) => scenario === old.scenario && profile === old.profile && policy === old.policy,
    );
  const known = JSON.parse((await readIfThere(resultsPath)) || "[]") as readonly Row[];
  const kept = known.filter((old) => !isNew(old));
  const all = [...kept, ...rows].toSorted(
    (a, b) => a.profile.localeCompare(b.profile) || placeOf(a) - placeOf(b) || policyPlaceOf(a) - policyPlaceOf(b),
  );
  await writeFile(resultsPath, `${JSON.stringify(all, null, 2)}\n`);
  const page = withTable(await readIfThere(pagePath), all);
  await writeFile(pagePath, await format(page, { parser: "markdown", printWidth: 120 }));
}

/** A control stands with what it is a control of. */
function placeOf({ scenario }: Row): number {
  return names.findIndex((name) => scenario.split(",")[0] === name);
}

/** The default first. */
function policyPlaceOf({ policy }: Row): number {
  return balancingPolicies.findIndex((name) => name === policy);
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}

interface Flags {
  readonly profile: SurvivalProfile;
  readonly policy: BalancingPolicy;
  readonly scenarios: readonly string[];
  readonly times: number;
  readonly seconds: number;
  readonly callers: number;
  readonly rate: number | undefined;
  readonly seed: number;
  readonly json: boolean;
  readonly timeline: boolean;
  readonly write: boolean;
}

/** Undefined when they make no sense, or help is asked for. */
function readFlags(): Flags | undefined {
  const values = parse();
  if (values === undefined || values.help) return undefined;
  const { profile, json, timeline, write, scenario } = values;
  const numbers = [values.times, values.seconds, values.callers, values.seed, values.rate].map(wholeNumber);
  const [times, seconds, callers, seed, rate] = numbers;
  const policy = balancingPolicies.find((name) => name === values.policy);
  if (!isSurvivalProfile(profile) || policy === undefined) return undefined;
  if (!times || !seconds || !callers || seed === undefined || rate === undefined) return undefined;
  if (!scenario.every((name) => names.includes(name))) return undefined;
  const wanted = scenario.length === 0 ? names : scenario;
  const load = { times, seconds, callers, rate: rate || undefined, seed };
  return { profile, policy, scenarios: wanted, ...load, json, timeline, write };
}

function parse() {
  try {
    return parseArgs({
      options: {
        profile: { type: "string", default: "embedded" },
        policy: { type: "string", default: balancingDefaults.policy },
        scenario: { type: "string", multiple: true, default: [] },
        times: { type: "string", default: "1" },
        seconds: { type: "string", default: "60" },
        callers: { type: "string", default: "1000" },
        rate: { type: "string", default: "0" },
        seed: { type: "string", default: String(randomInt(1_000_000)) },
        json: { type: "boolean", default: false },
        timeline: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch {
    // A flag that there is not.
    return undefined;
  }
}
