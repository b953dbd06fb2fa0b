import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "@weft/chaos-tests";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cancelStorms } from "./cancels.ts";
import { overload } from "./overload.ts";
import { linesOf } from "./report.ts";
import { scenarios } from "./scenarios.ts";
import { type Outcome, survive } from "./survival.ts";
import { World } from "./world.ts";

let world: World;
const stack = new AsyncDisposableStack();
const end = new AbortController();

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "weft-survival-"));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  world = stack.use(await World.open({ profile: "embedded", folder, random: new Random(7), signal: end.signal }));
}, 300_000);

afterAll(() => stack.disposeAsync(), 120_000);

/**
 * A short and gentle load: whether a call fails is the same under any, and how fast it is is for a machine to say that
 * does nothing else. Calls that failed before the fault had no fault to survive: such a machine tells nothing.
 */
const gentle = { warmUpMs: 1000, callers: 50, perSecond: 50, seed: 7, signal: end.signal };

/** Two gateways may retry ten calls to each of three services, however few calls there are. */
const retryBursts = 60;

function told(outcome: Outcome): Outcome {
  for (const line of linesOf(outcome)) console.info(line);
  return outcome;
}

async function underGentleLoad(name: string, forMs: number): Promise<Outcome> {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`there is no ${name}`);
  return told(await survive(scenario, world, { ...gentle, forMs }));
}

// Those that want the same before the replicas follow each other.
test.each([
  ["kill", 3000],
  ["stop", 6000],
  ["failing", 3000],
  ["slow", 3000],
  ["lossy", 3000],
  ["rolling", 1500],
])("%s: no call fails that may be retried", { timeout: 180_000 }, async (name, forMs) => {
  const { verdict, examples, timeline } = await underGentleLoad(name, forMs);
  expect(examples.filter(({ atMs }) => atMs >= 0)).toEqual([]);
  expect(verdict.calls).toBeGreaterThan(50);
  const retries = verdict.checks.find((check) => check.name === "retries")?.value ?? Number.NaN;
  expect(retries * verdict.calls).toBeLessThanOrEqual(0.1 * verdict.calls + retryBursts);
  expect(timeline.length).toBeGreaterThan(0);
  expect(Object.keys(verdict.evenness)).toEqual(name === "rolling" ? [] : ["user", "search"]);
});

test("a storm of cancelled calls hurts none beside it, where it hurts those of a bare client", async () => {
  const [ours, foreign, control] = (await cancelStorms(world, { cancelled: 2500, innocent: 500 })).map(told);
  expect(ours?.verdict.holds, JSON.stringify(ours?.failures)).toBe(true);
  expect(foreign?.verdict.holds, JSON.stringify(foreign?.failures)).toBe(true);
  // Whether the storm was one is for a machine to say that has the time to send it; what it met is told.
  expect(control?.isControl).toBe(true);
}, 120_000);

test("overload: who is not served is told so or has waited for as long as it may, and afterwards no call fails", async () => {
  const { failures, verdict } = told(await overload(world, { ...gentle, callers: 300, forMs: 6000 }));
  expect(verdict.calls).toBeGreaterThan(100);
  const reads = failures.map(([what]) => what).filter((what) => what.startsWith("read "));
  expect(reads.filter((what) => !what.includes(": refused ") && !what.includes(": 504 "))).toEqual([]);
  const { examples } = await underGentleLoad("none", 3000);
  expect(examples).toEqual([]);
}, 120_000);
