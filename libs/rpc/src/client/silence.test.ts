import { beforeEach, describe, expect, test } from "vitest";
import type { RawCall } from "./link.ts";
import { Resets } from "./resets.ts";
import { Silence } from "./silence.ts";

describe("silence", () => {
  let nowMs: number;
  let asked: number;
  let latencyMs: number;
  let silence: Silence;

  beforeEach(() => {
    [nowMs, asked, latencyMs] = [0, 0, 5];
    const ask = () => {
      asked += 1;
      return { close: () => undefined };
    };
    silence = new Silence({ ask, latencyMs: () => latencyMs, onChange: () => undefined });
  });

  /** Beats for `ms`, a tenth of a second each. */
  function pass(ms: number): void {
    for (const end = nowMs + ms; nowMs < end;) silence.beat((nowMs += 100), 100);
  }

  test("is no silence while nobody waits", () => {
    pass(60_000);
    expect([asked, silence.sinceMs]).toEqual([0, undefined]);
  });

  test("is asked about, once, and then held against the instance", () => {
    silence.wait();
    pass(200);
    expect(asked).toBe(0);
    pass(100);
    expect([asked, silence.sinceMs]).toEqual([1, undefined]);
    pass(500);
    expect([asked, silence.sinceMs]).toEqual([1, 800]);
    silence.unwait();
    pass(5_000);
    expect([asked, silence.sinceMs]).toEqual([1, 800]);
    silence.heard();
    expect(silence.sinceMs).toBeUndefined();
  });

  test("ends with each word, so that a slow call is no silence", () => {
    silence.wait();
    for (let n = 0; n < 100; n += 1) {
      pass(400);
      silence.heard();
    }
    expect([asked, silence.sinceMs]).toEqual([100, undefined]);
  });

  test("leaves more time to who is slow", () => {
    latencyMs = 400;
    silence.wait();
    pass(1_400);
    expect(silence.sinceMs).toBeUndefined();
    pass(200);
    expect(silence.sinceMs).toBe(1_500);
  });

  test("is not counted while this process did not run", () => {
    silence.wait();
    silence.beat((nowMs += 20_000), 150);
    silence.beat((nowMs += 20_000), 150);
    expect([asked, silence.sinceMs]).toEqual([1, undefined]);
    silence.beat((nowMs += 20_000), 150);
    expect(silence.sinceMs).toBeUndefined();
  });
});

describe("resets", () => {
  /** Counts the resets of a number of calls. */
  function calls(count: number): { readonly raws: RawCall[]; readonly reset: () => number } {
    let reset = 0;
    const raws = Array.from({ length: count }, () => ({ cancelWithStatus: () => (reset += 1) }) as unknown as RawCall);
    return { raws, reset: () => reset };
  }

  test("are rationed, and nobody is forgotten", () => {
    const resets = new Resets();
    const { raws, reset } = calls(400);
    for (const raw of raws) resets.add(raw, false, 1_000_000);
    expect(reset()).toBe(250);
    resets.beat(1_001_000);
    expect(reset()).toBe(270);
    // Those that have ended by themselves need none.
    for (const raw of raws.slice(270, 370)) resets.delete(raw);
    for (let second = 2; second < 10; second += 1) resets.beat(1_000_000 + second * 1_000);
    expect([reset(), resets.isBusy]).toEqual([300, false]);
  });

  test("are half of what a server allows, until the connection is another one", () => {
    const resets = new Resets();
    resets.allow({ burst: 2_000, perSecond: 200 });
    const { raws, reset } = calls(2_000);
    for (const raw of raws) resets.add(raw, false, 1_000_000);
    expect(reset()).toBe(1_000);
    resets.beat(1_001_000);
    expect(reset()).toBe(1_100);
    resets.allow(undefined);
    resets.beat(1_002_000);
    expect(reset()).toBe(1_350);
  });

  test("come late for calls that a server ends by itself", () => {
    const resets = new Resets();
    const { raws, reset } = calls(2);
    for (const raw of raws) resets.add(raw, true, 5_000);
    resets.beat(5_900);
    expect(reset()).toBe(0);
    resets.beat(6_000);
    expect([reset(), resets.isBusy]).toEqual([2, false]);
  });
});
