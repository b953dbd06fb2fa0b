/**
 * What `npm run test:stack` runs: every test on real servers. `REQUIRE_BACKENDS` names those that have to be there, with
 * commas between; they are installed first. Without it: those that are installed already.
 *
 * Arguments are parts of paths, and choose test files as vitest's do: `npm run test:stack -- libs/state`.
 *
 * It stops at the first suite that fails; with `--keep-going` everything runs, and a failure is told at the end.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { install, readServerNames, type ServerName, serverNames, whatIsMissing } from "@weft/native";
import { silentLog, WeftError } from "@weft/kit";

const results = ".cache/test-results";
const weft = "tools/weft/src/main.ts";
/** Servers that come through the same tool wait for each other; others need not. */
const installedTogether: readonly (readonly ServerName[])[] = [
  ["consul"],
  ["kafka", "elasticsearch"],
  ["redis"],
  ["postgres"],
];

const { values: options, positionals: paths } = parseArgs({
  options: { "keep-going": { type: "boolean", default: false } },
  allowPositionals: true,
});
const isSystem = (path: string): boolean => path.startsWith("tests/") && !path.includes(".stack.");
const system = paths.filter(isSystem);
const conformance = paths.filter((path) => !isSystem(path));
const all = paths.length === 0;
const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopped.abort());
process.chdir(join(import.meta.dirname, ".."));
await mkdir(results, { recursive: true });
for (const project of ["stack", "system-stack"]) await rm(join(results, `${project}.json`), { force: true });

const started = performance.now();
const failed: string[] = [];
const required = readServerNames(process.env["REQUIRE_BACKENDS"] ?? "");
await Promise.all(installedTogether.map(provision));
const there = await available();

if (goesOn() && (all || conformance.length > 0)) {
  await step("conformance on real servers", () => vitest("stack", conformance, {}));
}
if (goesOn() && (all || system.length > 0)) await onStack();

const total = `${((performance.now() - started) / 1000).toFixed(1)} s`;
if (stopped.signal.aborted) failed.push("interrupted");
console.log(failed.length === 0 ? `\nAll good (${total}).` : `\nFAILED (${total}): ${failed.join("; ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function goesOn(): boolean {
  return !stopped.signal.aborted && (options["keep-going"] || failed.length === 0);
}

async function provision(names: readonly ServerName[]): Promise<void> {
  for (const name of names.filter((one) => required.includes(one))) {
    try {
      await install(name, { log: { ...silentLog, info: (_fields, message) => console.log(`${name}: ${message}`) } });
    } catch (error) {
      failed.push(`${name} can't be installed`);
      console.log(`✗ ${name}: ${WeftError.from(error).message}`);
    }
  }
}

async function available(): Promise<readonly ServerName[]> {
  const missing = await Promise.all(serverNames.map((name) => whatIsMissing(name)));
  for (const [index, name] of serverNames.entries()) {
    const why = missing[index]?.sentence;
    if (why !== undefined) console.log(`left out: ${name}: ${why}`);
  }
  return serverNames.filter((_, index) => missing[index] === undefined);
}

/** The system tests, on one stack that is there for them. */
async function onStack(): Promise<void> {
  if (there.length < serverNames.length) return console.log("left out: the system tests, which need all servers");
  const dataDir = await mkdtemp(join(tmpdir(), "weft-test-stack-"));
  const stack = (...args: string[]) => run("node", [weft, "stack", ...args, "--data-dir", dataDir, "--json"], {});
  try {
    const { ok, output } = await stack("up");
    if (!ok) return void failed.push("the servers do not come up");
    const { urls } = JSON.parse(output) as { readonly urls: Readonly<Record<ServerName, string>> };
    const env = { WEFT_TEST_STACK: JSON.stringify(urls) };
    await step("system tests on real servers", () => vitest("system-stack", system, env));
  } finally {
    await stack("down");
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function step(name: string, work: () => Promise<Outcome>): Promise<void> {
  console.log(`\n── ${name}`);
  const from = performance.now();
  const { ok } = await work();
  if (!ok) failed.push(name);
  console.log(`${ok ? "✓" : "✗"} ${name} (${((performance.now() - from) / 1000).toFixed(1)} s)`);
}

function vitest(project: string, filters: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  const json = `--outputFile.json=${results}/${project}.json`;
  const args = ["run", "--project", project, "--reporter=default", "--reporter=json", json, ...filters];
  return run("vitest", args, { env, shows: true });
}

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

function run(
  program: string,
  args: readonly string[],
  { env = {}, shows = false }: { readonly env?: Readonly<Record<string, string>>; readonly shows?: boolean },
): Promise<Outcome> {
  return new Promise((done) => {
    const stdio: ["ignore", "pipe" | "inherit", "inherit"] = ["ignore", shows ? "inherit" : "pipe", "inherit"];
    const child = spawn(program, args, { stdio, env: { ...process.env, ...env } });
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const stop = () => child.kill("SIGTERM");
    // The end of the servers is awaited, whatever was interrupted.
    if (shows) stopped.signal.addEventListener("abort", stop);
    const end = (ok: boolean) => {
      stopped.signal.removeEventListener("abort", stop);
      done({ ok, output });
    };
    child.once("error", () => end(false));
    child.once("close", (code) => end(code === 0));
  });
}
