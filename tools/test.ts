/**
 * What `npm test` runs, in order: the static checks, two at a time, then the tests. It stops at the first failure;
 * with `--keep-going` everything runs, and a failure is told at the end.
 */
import { spawn } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

const results = ".cache/test-results";

// Longest first, so that two at a time end together.
const checks: Step[] = [
  { name: "lint and boundaries", command: ["eslint", "."] },
  { name: "contracts: lint, breaking changes, drift", command: ["node", "tools/proto/src/main.ts", "check"] },
  {
    name: "format",
    command: ["prettier", "--check", "--log-level=warn", "--cache", "--cache-location=.cache/prettier", "."],
  },
  { name: "types", command: ["tsc", "-p", "tsconfig.json"] },
  { name: "tidy", command: ["node", "tools/tidy/src/main.ts"] },
];

const suites: Step[] = [
  { name: "unit and conformance tests", command: vitest("unit") },
  { name: "system tests", command: vitest("system") },
];

const { values: options } = parseArgs({ options: { "keep-going": { type: "boolean", default: false } } });
const started = performance.now();
const failed: string[] = [];
const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopped.abort());

process.chdir(join(import.meta.dirname, ".."));
await rm(results, { recursive: true, force: true });
await mkdir(results, { recursive: true });

const waiting = [...checks];
await Promise.all([runChecks(), runChecks()]);
for (const step of suites) {
  if (!goesOn()) break;
  console.log(`\n── ${step.name}`);
  report(step, await run(step, "inherit"));
}

if (stopped.signal.aborted) failed.push("interrupted");
const total = seconds(performance.now() - started);
console.log(failed.length === 0 ? `\nAll good (${total}).` : `\nFAILED (${total}): ${failed.join("; ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function vitest(project: string): Step["command"] {
  const json = `--outputFile.json=${results}/${project}.json`;
  return ["vitest", "run", "--project", project, "--reporter=default", "--reporter=json", json];
}

function goesOn(): boolean {
  return !stopped.signal.aborted && (options["keep-going"] || failed.length === 0);
}

async function runChecks(): Promise<void> {
  while (goesOn()) {
    const step = waiting.shift();
    if (step === undefined) return;
    report(step, await run(step, "pipe"));
  }
}

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
  readonly durationMs: number;
}

function report({ name, command }: Step, { ok, output, durationMs }: Outcome): void {
  if (!ok) {
    failed.push(name);
    console.log(`\n${output}$ ${command.join(" ")}`);
  }
  console.log(`${ok ? "✓" : "✗"} ${name} (${seconds(durationMs)})`);
}

function run({ command: [program, ...args] }: Step, output: "inherit" | "pipe"): Promise<Outcome> {
  const from = performance.now();
  return new Promise((done) => {
    const child = spawn(program, args, { stdio: ["inherit", output, output] });
    const chunks: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk));
    const stop = () => child.kill("SIGTERM");
    stopped.signal.addEventListener("abort", stop);
    const end = (ok: boolean) => {
      stopped.signal.removeEventListener("abort", stop);
      done({ ok, output: Buffer.concat(chunks).toString(), durationMs: performance.now() - from });
    };
    child.once("error", (error) => {
      chunks.push(Buffer.from(error.message));
      end(false);
    });
    child.once("close", (code) => end(code === 0));
  });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
