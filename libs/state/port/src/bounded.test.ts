import { beforeEach, describe, expect, test } from "vitest";
import { type Log, ManualClock, silentLog, WeftError } from "@weft/kit";
import { boundedStore, type CacheStore } from "./bounded.ts";

const never = (): Promise<never> => new Promise(() => undefined);
const refused = async (): Promise<never> => {
  throw new WeftError("UNAVAILABLE", "refused");
};
const nothing = async (): Promise<undefined> => undefined;

let clock: ManualClock;
let calls: number;
let answer: () => Promise<undefined>;
let lines: string[];
let store: CacheStore;
beforeEach(() => {
  clock = new ManualClock();
  calls = 0;
  answer = nothing;
  lines = [];
  const say = (_: object, text: string): void => void lines.push(text);
  const log: Log = { ...silentLog, info: say, warn: say };
  const get = (): Promise<undefined> => ((calls += 1), answer());
  const opened = { get, set: async () => "", delete: nothing };
  store = boundedStore(async () => opened, { log, clock });
});

/** `ok`, or the reason of the failure, with a clock that moves on by `ms` meanwhile. */
async function outcome(ms = 0): Promise<string> {
  const asked = store.get("key").then(
    () => "ok",
    (error: unknown) => WeftError.from(error).reason,
  );
  await clock.advance(ms);
  return asked;
}

describe("a bounded store", () => {
  test("gives what the store gives", async () => {
    expect(await outcome()).toBe("ok");
    expect(await store.set("key", new Uint8Array())).toBe("");
    expect(lines).toEqual([]);
  });

  test("waits 50 ms for one that is silent, and then not at all for a second", async () => {
    answer = never;
    expect(await outcome(50)).toBe("DEADLINE_EXCEEDED");
    expect(await outcome()).toBe("UNAVAILABLE");
    await clock.advance(999);
    expect(await outcome()).toBe("UNAVAILABLE");
    expect(calls).toBe(1);
  });

  test("lets one call try after that, and the others not wait for it", async () => {
    answer = never;
    await outcome(50);
    await clock.advance(1000);
    const tries = [store.get("a"), store.get("b"), store.get("c")].map((asked) => asked.catch(() => "failed"));
    expect(await Promise.all(tries.slice(1))).toEqual(["failed", "failed"]);
    expect(calls).toBe(2);
    await clock.advance(50);
    expect(await tries[0]).toBe("failed");
  });

  test("is used again as soon as a try succeeds", async () => {
    answer = refused;
    await outcome();
    answer = nothing;
    await clock.advance(1000);
    expect([await outcome(), await outcome()]).toEqual(["ok", "ok"]);
  });

  test("says once that the store is away and once that it is back, and nothing of a single slip", async () => {
    answer = refused;
    await Promise.all([outcome(), outcome(), outcome()]);
    expect(lines).toEqual([]);
    for (let turn = 0; turn < 5; turn += 1) {
      await clock.advance(1000);
      await outcome();
    }
    expect(lines).toEqual(["the store of a cache is away: nothing is cached"]);
    answer = nothing;
    await clock.advance(1000);
    await outcome();
    expect(lines).toHaveLength(2);
  });

  test("does not blame the store for what its caller got wrong", async () => {
    answer = async () => {
      throw new WeftError("PAYLOAD_TOO_LARGE", "too much");
    };
    expect([await outcome(), await outcome()]).toEqual(["PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE"]);
    expect(calls).toBe(2);
  });

  test("opens the store when it is used, within the same limit", async () => {
    const late = boundedStore(never, { clock });
    const asked = late.get("key").catch((error: unknown) => WeftError.from(error).reason);
    await clock.advance(50);
    expect(await asked).toBe("DEADLINE_EXCEEDED");
  });
});
