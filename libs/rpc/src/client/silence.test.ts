import { beforeEach, describe, expect, test } from "vitest";
import type { RawCall } from "./link.ts";
import { Resets } from "./resets.ts";
import { Silence } from "./silence.ts";

describe("silence", () => {
  let isBusy: boolean;
  let asked: number;
  let latencyMs: number;
  let silence: Silence;

  beforeEach(() => {
    [isBusy, asked, latencyMs] = [false, 0, 5];
    const ask = () => {
      asked += 1;
      return { close: () => undefined };
    };
    silence = new Silence({ ask, latencyMs: () => latencyMs, onChange: () => undefined });
  });

  /** Beats for `ms`, a tenth of a second each. */
  function pass(ms: number): void {
    for (let passedMs = 0; passedMs < ms; passedMs += 100) silence.beat(100, isBusy);
  }

  test("is no silence while nobody waits", () => {
    pass(60_000);
    expect([asked, silence.suspectMs]).toEqual([0, undefined]);
  });

  test("is asked about, once, and then held against the instance", () => {
    silence.wait();
    pass(200);
    expect(asked).toBe(0);
    pass(100);
    expect([asked, silence.suspectMs]).toEqual([1, undefined]);
    pass(500);
    expect([asked, silence.suspectMs]).toEqual([1, 0]);
    silence.unwait();
    pass(5_000);
    expect([asked, silence.suspectMs]).toEqual([1, 5_000]);
    silence.heard();
    expect(silence.suspectMs).toBeUndefined();
  });

  test("ends with each word, so that a slow call is no silence", () => {
    silence.wait();
    for (let n = 0; n < 100; n += 1) {
      pass(400);
      silence.heard();
    }
    expect([asked, silence.suspectMs]).toEqual([100, undefined]);
  });

  test("is asked about now and then while calls run that may take their time", () => {
    isBusy = true;
    pass(4_900);
    expect(asked).toBe(0);
    for (let n = 0; n < 10; n += 1) {
      pass(100);
      expect([asked, silence.suspectMs]).toEqual([n + 1, undefined]);
      silence.heard();
      pass(4_900);
    }
    pass(100);
    expect(asked).toBe(11);
    pass(500);
    expect(silence.suspectMs).toBe(0);
  });

  test("of one call is not held against those that come later", () => {
    for (let n = 0; n < 10; n += 1) {
      isBusy = true;
      pass(4_900);
      isBusy = false;
      pass(100);
    }
    expect(asked).toBe(0);
  });

  test("leaves more time to who is slow", () => {
    latencyMs = 400;
    silence.wait();
    pass(1_400);
    expect(silence.suspectMs).toBeUndefined();
    pass(100);
    expect(silence.suspectMs).toBe(0);
  });

  test("is not counted while this process did not run", () => {
    silence.wait();
    silence.beat(150, true);
    silence.beat(150, true);
    expect([asked, silence.suspectMs]).toEqual([1, undefined]);
    silence.beat(150, true);
    expect(silence.suspectMs).toBeUndefined();
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
