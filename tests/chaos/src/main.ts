import { randomInt } from "node:crypto";
import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runChaos } from "./chaos.ts";
import { runInFolder, wholeNumber } from "./command.ts";
import { type MutantName, mutants } from "./ledger.ts";
import { jsonReport, textReport } from "./report.ts";
import { isSound, soak } from "./soak.ts";

const usage = `npm run chaos -- [--profile embedded|stack] [--rounds N] [--seed S] [--json]
npm run chaos -- --soak [--profile embedded|stack] [--minutes M] [--poison N] [--json]

  --profile P   on what the mesh runs; default embedded
  --rounds N    rounds, each with one or two faults; default 20
  --seed S      a whole number that the faults follow from; default: any
  --json        every line is a JSON object
  --mutant M    makes the account's own consumer wrong, which has to be found: ${mutants.join(", ")}

  --soak        instead: a topic with poison beside one without, for --minutes M (default 10)
  --poison N    of the soak: one event in so many is poison; default 1000

Exit code 0: no acknowledged change was lost, doubled or resurrected. Of a soak: what is not poison was handled nearly
as fast as without it, all poison was given up and nothing else, and was handled once when it was redriven.`;

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) {
    console.error(usage);
    return 2;
  }
  return runInFolder("chaos", (folder, signal) => (flags.soak ? runSoak : run)(flags, folder, signal));
}

async function run(
  { profile, rounds, seed, mutant, json }: Flags,
  folder: string,
  signal: AbortSignal,
): Promise<number> {
  const begin = { event: "start", seed, profile, rounds };
  console.log(json ? JSON.stringify(begin) : `seed ${seed}, ${profile}, ${rounds} rounds`);
  const report = (json ? jsonReport : textReport)((line) => console.log(line));
  const result = await runChaos({ profile, rounds, seed, folder, report, signal, ...(mutant && { mutant }) });
  console.log(JSON.stringify(result));
  return result.lost + result.doubled + result.resurrected === 0 ? 0 : 1;
}

async function runSoak(
  { profile, minutes, poison, json }: Flags,
  folder: string,
  signal: AbortSignal,
): Promise<number> {
  const print = (line: string): void => console.log(json ? JSON.stringify({ event: "soak", line }) : line);
  const result = await soak({ profile, forMs: minutes * 60_000, poisonEvery: poison, folder, print, signal });
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  console.log(JSON.stringify({ profile, ...result }));
  return isSound(result) ? 0 : 1;
}

interface Flags {
  readonly profile: "embedded" | "stack";
  readonly rounds: number;
  readonly seed: number;
  readonly json: boolean;
  readonly mutant: MutantName | undefined;
  readonly soak: boolean;
  readonly minutes: number;
  readonly poison: number;
}

/** Undefined when they make no sense, or help is asked for. */
function readFlags(): Flags | undefined {
  const values = parse();
  if (values === undefined || values.help) return undefined;
  const { profile, json, soak: isSoak } = values;
  const [rounds, seed, minutes, poison] = [values.rounds, values.seed, values.minutes, values.poison].map(wholeNumber);
  const mutant = mutants.find((name) => name === values.mutant);
  if ((profile !== "embedded" && profile !== "stack") || mutant !== values.mutant) return undefined;
  if (rounds === undefined || seed === undefined || minutes === undefined || poison === undefined) return undefined;
  return { profile, rounds, seed, json, mutant, soak: isSoak, minutes, poison: Math.max(1, poison) };
}

function parse() {
  try {
    return parseArgs({
      options: {
        profile: { type: "string", default: "embedded" },
        rounds: { type: "string", default: "20" },
        seed: { type: "string", default: String(randomInt(1_000_000)) },
        json: { type: "boolean", default: false },
        mutant: { type: "string" },
        soak: { type: "boolean", default: false },
        minutes: { type: "string", default: "10" },
        poison: { type: "string", default: "1000" },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch {
    // A flag that there is not.
    return undefined;
  }
}
