import { expect, test } from "vitest";
import type { Decision } from "../decision.ts";
import { Breakers } from "./breakers.ts";

const get = "weft.user.v1.UserService/GetUser";
const list = "weft.user.v1.UserService/ListUsers";

function breakersWith(options = {}) {
  const told: Decision[] = [];
  const breakers = new Breakers({ target: "user", options, onDecision: (one) => told.push(one) });
  return { breakers, told };
}

function fail(breakers: Breakers, method: string, times: number): void {
  for (let one = 0; one < times; one += 1) {
    const breaker = breakers.of(method);
    const pass = breaker.enter(0);
    if (pass !== undefined) breaker.leave(pass, "failure", { nowMs: 0, instance: "a" });
  }
}

test("methods fail by themselves; changes and refusals are told, with the wait", () => {
  const { breakers, told } = breakersWith({ openMs: 5_000 });
  fail(breakers, get, 10);
  breakers.of(list).enter(0);
  expect([...breakers.states()]).toEqual([
    [get, "open"],
    [list, "closed"],
  ]);
  expect(breakers.refuse(get, 1_000)).toMatchObject({
    ...{ reason: "BREAKER_OPEN", code: "UNAVAILABLE", retryAfterMs: 4_000 },
  });
  expect(told).toEqual([
    { kind: "breaker", target: "user", method: get, reason: "open" },
    { kind: "refused", target: "user", method: get, reason: "breaker-open" },
  ]);
});

test("a new instance is looked at without waiting", () => {
  const { breakers } = breakersWith();
  fail(breakers, get, 10);
  expect(breakers.of(get).isOpen(100)).toBe(true);
  breakers.wake();
  expect(breakers.of(get).enter(100)).toMatchObject({ kind: "half-open" });
});

test("options apply from then on; switched off it opens never, and what was open is closed", () => {
  const { breakers } = breakersWith({ minimumCalls: 3 });
  fail(breakers, get, 3);
  expect(breakers.of(get).state.kind).toBe("open");
  breakers.configure({ enabled: false });
  expect(breakers.of(get).state.kind).toBe("closed");
  fail(breakers, get, 100);
  expect(breakers.of(get).state.kind).toBe("closed");
  breakers.configure({});
  fail(breakers, get, 9);
  expect(breakers.of(get).state.kind).toBe("closed");
  fail(breakers, get, 1);
  expect(breakers.of(get).state.kind).toBe("open");
});

test("a wait that was set by mistake ends with it", () => {
  const { breakers } = breakersWith({ openMs: 3_600_000 });
  fail(breakers, get, 10);
  expect(breakers.of(get).enter(60_000)).toBeUndefined();
  breakers.configure({});
  expect(breakers.of(get).retryAfterMs(900)).toBe(100);
  expect(breakers.of(get).enter(60_000)).toMatchObject({ kind: "half-open" });
});

test("more methods than a target can have share one breaker", () => {
  const { breakers } = breakersWith();
  for (let method = 0; method < 1_100; method += 1) breakers.of(`m${method}`);
  expect([...breakers.states()]).toHaveLength(1_001);
  expect(breakers.of("m1099")).toBe(breakers.of("m1050"));
  expect(breakers.of("m999")).not.toBe(breakers.of("m998"));
});
