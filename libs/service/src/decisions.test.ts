import { ManualClock } from "@weft/kit";
import type { Decision, DecisionKind } from "@weft/resilience";
import { createLogger, createMetrics } from "@weft/telemetry";
import { beforeEach, expect, test } from "vitest";
import { Decisions } from "./decisions.ts";

let clock: ManualClock;
let lines: Record<string, unknown>[];
let metrics: ReturnType<typeof createMetrics>;
let decisions: Decisions;

beforeEach(() => {
  clock = new ManualClock();
  lines = [];
  metrics = createMetrics();
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLogger({ service: "gateway", instance: "i", destination });
  decisions = new Decisions({ log, metrics, clock });
});

const shed: Decision = { kind: "shed", target: "user", method: "weft.user.v1.UserService/GetUser", reason: "limit" };

function told(): unknown[] {
  return lines.map(({ level, decision, target, method, about, reason, count }) =>
    Object.fromEntries(
      Object.entries({ level, decision, target, method, about, reason, count }).filter(
        ([, value]) => value !== undefined,
      ),
    ),
  );
}

test("each decision counts, with its reason", async () => {
  for (let time = 0; time < 3; time += 1) decisions.tell(shed);
  decisions.tell({ kind: "ejected", target: "user", instance: "u-1", reason: "consecutive-failures" });
  const text = await metrics.text();
  expect(text).toContain(
    'weft_decisions_total{weft_decision="shed",weft_target="user",rpc_service="weft.user.v1.UserService",rpc_method="GetUser",weft_reason="limit"} 3',
  );
  expect(text).toContain(
    'weft_decisions_total{weft_decision="ejected",weft_target="user",rpc_service="",rpc_method="",weft_reason="consecutive-failures"} 1',
  );
});

test("the first is a line at once, those that follow are a line together, at growing intervals", async () => {
  const { method } = shed;
  for (let time = 0; time < 1000; time += 1) decisions.tell(shed);
  expect(told()).toEqual([{ level: "warn", decision: "shed", target: "user", method, reason: "limit" }]);
  await clock.advance(5000);
  decisions.tell(shed);
  await clock.advance(5000);
  expect(told().length).toBe(2);
  await clock.advance(10_000);
  expect(told().slice(1)).toEqual([
    { level: "warn", decision: "shed", target: "user", method, reason: "limit", count: 999 },
    { level: "warn", decision: "shed", target: "user", method, reason: "limit" },
  ]);
  // Nothing for as long as it was quiet: it is news again.
  await clock.advance(45_000);
  decisions.tell(shed);
  expect(told().length).toBe(4);
});

test("a breaker that has opened is a warning, what follows from it is not", () => {
  for (const reason of ["open", "half-open", "closed"]) decisions.tell({ kind: "breaker", target: "user", reason });
  decisions.tell({ kind: "refused", target: "user", reason: "breaker-open" });
  decisions.tell({ kind: "refused", target: "user", reason: "bulkhead-full" });
  expect(told().map((line) => (line as { level: string }).level)).toEqual(["warn", "info", "info", "info", "warn"]);
});

test("a line says what was decided, of a limit too that turned nobody down", () => {
  const said = (kind: DecisionKind, reason: string): unknown => {
    decisions.tell({ kind, target: "user", reason });
    return lines.at(-1)?.["msg"];
  };
  expect(said("limited", "auth-address")).toBe("a caller is over its limit");
  const others = ["store away", "shared again", "tightened", "relaxed", "target in trouble", "false-tokens"];
  const texts = others.map((reason) => said("limited", reason));
  expect(new Set([...texts, "a caller is over its limit"]).size).toBe(others.length + 1);
  expect(said("limited", "store contended")).toBe(texts[0]);
  for (const reason of ["retry-budget", "retry-overloaded"]) {
    expect(said("refused", reason)).toBe("a call was not tried again");
  }
});

test("what ends is told as that, and warns nobody", () => {
  const told = (kind: DecisionKind, reason: string): unknown => {
    decisions.tell({ kind, target: "user", reason });
    const { level, msg } = lines.at(-1) ?? {};
    return { level, msg };
  };
  expect(told("panic", "too few may take calls")).toMatchObject({ level: "warn" });
  expect(told("panic", "enough may take calls")).toEqual({
    level: "info",
    msg: "enough instances are well again: only they get calls",
  });
  expect(told("degraded", "latency")).toMatchObject({ level: "warn" });
  expect(told("degraded", "recovered")).toEqual({ level: "info", msg: "this process does all that it can again" });
});

test("another target, kind or reason is another line", () => {
  decisions.tell(shed);
  decisions.tell({ ...shed, target: "search" });
  decisions.tell({ ...shed, reason: "cpu" });
  decisions.tell({ kind: "readmitted", target: "user", instance: "u-1", reason: "time-served" });
  expect(told().length).toBe(4);
  expect(told().at(-1)).toEqual({
    ...{ level: "info", decision: "readmitted", target: "user", about: "u-1", reason: "time-served" },
  });
});

test("what was not said is said at the end", () => {
  decisions.tell(shed);
  decisions.tell(shed);
  decisions.tell(shed);
  decisions[Symbol.dispose]();
  decisions.tell(shed);
  expect(told().at(-1)).toMatchObject({ count: 2 });
  expect(told().length).toBe(2);
});
