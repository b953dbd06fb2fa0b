import { Random } from "@weft/chaos-tests";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Windows } from "./histogram.ts";
import { paceOf, recoveredAfter, rules, type Rules, timelineOf } from "./recovery.ts";

const [faultMs, mendedMs] = [20_000, 40_000];

/** How much longer a call takes that begins at `atMs`, in milliseconds. */
type Fault = (atMs: number, random: Random) => number;

/** When the machine stalls: how often in a second, and for how long. */
interface Stalls {
  readonly perSecond: number;
  readonly ms: (random: Random) => number;
}

/** Of 30 to 250 ms, 8 % of the time; of 30 ms and more, a few much longer; none. */
const even: Stalls = { perSecond: 0.6, ms: (random) => 30 + 220 * random.next() };
const rare: Stalls = { ...even, perSecond: 0.15 };
const heavy: Stalls = { perSecond: 0.8, ms: (random) => Math.min(400, 30 * (1 - random.next()) ** (-1 / 1.3)) };
const quiet: Stalls = { perSecond: 0, ms: () => 0 };

/** 300 calls a second that take about 5 ms, of which each that a stall meets waits for its end; then they catch up. */
function run(seed: number, { perSecond, ms }: Stalls, fault: Fault): Windows {
  const random = new Random(seed);
  const ends: (readonly [fromMs: number, toMs: number])[] = [];
  for (let at = 0; perSecond > 0 && at < mendedMs;) {
    at -= (Math.log(1 - random.next()) / perSecond) * 1000;
    const end = at + ms(random);
    ends.push([at, end]);
    at = end;
  }
  const windows = new Windows();
  let first = 0;
  for (let at = 0; at < mendedMs; at += 1000 / 300) {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    let tookMs = 5 * Math.exp(normal / 2) + fault(at, random);
    while ((ends[first]?.[1] ?? Infinity) + 200 < at) first += 1;
    for (let next = first; (ends[next]?.[0] ?? Infinity) <= at + tookMs; next += 1) {
      const [from, to] = ends[next] ?? [0, 0];
      tookMs += at < to ? to - Math.max(at, from) : Math.max(0, (to - from) / 4 - (at - to));
    }
    windows.add(at, tookMs);
  }
  return windows;
}

function judged(windows: Windows, by: Rules = rules): number | undefined {
  return recoveredAfter(windows, [faultMs, mendedMs], paceOf(windows, 0, faultMs, by), 1.2, by);
}

const seeds = Array.from({ length: 30 }, (_, at) => at + 1);

/** In what share of runs that differ by chance calls are said to be back within `limitMs`. */
function backShare(stalls: Stalls, fault: Fault, limitMs = 1000, by: Rules = rules): number {
  const back = seeds.filter((seed) => (judged(run(seed, stalls, fault), by) ?? Infinity) <= limitMs);
  return back.length / seeds.length;
}

const within =
  (fromMs: number, toMs: number, share = 1, ms = 600): Fault =>
  (atMs, random) =>
    atMs >= fromMs && atMs < toMs && random.next() < share ? ms : 0;
const none: Fault = () => 0;
const always = within(faultMs, mendedMs, 0.02);
/** Less than the machine's own stalls. */
const hidden = within(faultMs, mendedMs, 0.02, 80);
const everyThird: Fault = (atMs, random) =>
  atMs >= faultMs && Math.floor(atMs / 1000) % 3 === 2 && random.next() < 0.05 ? 600 : 0;

const machines: readonly (readonly [string, Stalls])[] = [
  ["does not stall", quiet],
  ["stalls rarely", rare],
  ["stalls often", even],
  ["stalls briefly, and at times for long", heavy],
];

describe.each(machines)("on a machine that %s", (_what, stalls) => {
  test("nothing is taken for a fault in nearly all runs", () => {
    expect(backShare(stalls, none)).toBeGreaterThanOrEqual(0.9);
  });

  test.each<[string, Fault]>([
    ["all the time", always],
    ["all the time, by less than the machine stalls", hidden],
    ["in every third second", everyThird],
    ["for four seconds", within(faultMs, faultMs + 4000, 0.05)],
  ])("a fault that slows a few calls %s is not taken for nothing", (_when, fault) => {
    expect(backShare(stalls, fault)).toBeLessThanOrEqual(0.04);
  });

  test("a fault that ends is over when it ends", () => {
    const fault = within(faultMs, faultMs + 4000, 0.3);
    expect(backShare(stalls, fault, 3800)).toBe(0);
    expect(backShare(stalls, fault, 5200)).toBeGreaterThanOrEqual(0.9);
  });
});

test("a fault that slows all calls is over when it ends, to a tenth of a second", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 140 }), (tenths) => {
      const endMs = faultMs + tenths * 100;
      const windows = new Windows();
      for (let at = 0; at < mendedMs; at += 4) windows.add(at, at >= faultMs && at < endMs ? 300 : 10);
      const at = judged(windows) ?? Infinity;
      expect(Math.abs(at - tenths * 100)).toBeLessThanOrEqual(100);
    }),
    { numRuns: 25 },
  );
});

test("slower calls are never told to be back sooner", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 0, max: 19 }),
      fc.integer({ min: 1, max: 20 }),
      (seed, from, length) => {
        const slow = within(faultMs + from * 1000, faultMs + (from + length) * 1000, 0.1);
        const [without, withIt] = [none, slow].map((fault) => {
          const windows = new Windows();
          const random = new Random(seed);
          for (let at = 0; at < mendedMs; at += 4) windows.add(at, 10 + 10 * random.next() + fault(at, random));
          return judged(windows) ?? Infinity;
        });
        expect(withIt).toBeGreaterThanOrEqual(without ?? Infinity);
      },
    ),
    { numRuns: 25 },
  );
});

/** Each rule by what goes wrong without it: runs without a fault that fail, or with one that pass. */
describe("a wrong rule is noticed", () => {
  const shares = (change: Partial<Rules>, stalls: Stalls, fault: Fault, limitMs?: number): [number, number] => [
    backShare(stalls, fault, limitMs),
    backShare(stalls, fault, limitMs, { ...rules, ...change }),
  ];
  const lesser = ([right, wrong]: [number, number]) => expect(wrong).toBeLessThan(right - 0.1);
  const greater = ([right, wrong]: [number, number]) => expect(wrong).toBeGreaterThan(right + 0.1);
  /** One second of the twenty before is very slow. */
  const bad = within(5000, 5400, 1, 900);
  const third: Fault = (atMs, random) => bad(atMs, random) + everyThird(atMs, random);

  test("normal is the usual second", () => lesser(shares({ normalShare: 0.5 }, heavy, none)));
  test("normal is the slowest second", () => greater(shares({ normalShare: 1 }, quiet, third)));
  test("all windows have to be as before", () => lesser(shares({ recoveredShare: 1 }, heavy, none)));
  test("it is enough when few are", () =>
    greater(shares({ recoveredShare: 0.2 }, quiet, within(faultMs + 8000, mendedMs))));
  test("nobody looks at the next seconds", () =>
    greater(shares({ soonShare: 0 }, quiet, within(faultMs, faultMs + 4000, 0.015), 2500)));
  test("all of the next seconds have to be as before", () => lesser(shares({ soonShare: 1 }, heavy, none)));
  test("nobody looks at quiet seconds", () => greater(shares({ quietShare: 0.999 }, even, hidden)));
  test("every second has to be quiet", () => lesser(shares({ quietShare: 0.6 }, even, none)));
  test("the last moment is enough", () =>
    greater(shares({ tellingShare: 1 }, quiet, within(faultMs, mendedMs - 2000), 20_000)));
});

test("one slow call of few is not slow seconds", () => {
  const windows = new Windows();
  for (let at = 0; at < mendedMs; at += 20) windows.add(at, at === faultMs + 40 ? 500 : 10);
  expect(judged(windows)).toBe(0);
  expect(judged(windows, { ...rules, leastCalls: 1 })).toBe(100);
});

test("a time that is too short for windows is one", () => {
  const windows = new Windows();
  for (let at = 0; at < 8000; at += 100) windows.add(at, at >= 4000 && at < 4500 ? 50 : 10);
  const before = paceOf(windows, 0, 4000);
  expect(before.normalMs).toBe(before.quietMs);
  expect(recoveredAfter(windows, [4000, 8000], before)).toBeUndefined();
  expect(recoveredAfter(windows, [4500, 8000], before)).toBe(0);
});

test("windows reach over what says nothing, and what nobody saw is not said to have been well", () => {
  const windows = new Windows();
  for (let at = 0; at < 40_000; at += 100) {
    for (let call = 0; call < 30; call += 1) windows.add(at, at % 10_000 < 3000 ? 200 + call : 10);
  }
  const telling = windows.where((atMs) => atMs % 10_000 >= 3000);
  expect(paceOf(telling, 0, 20_000).normalMs).toBeCloseTo(10, 0);
  expect(recoveredAfter(telling, [20_000, 40_000], paceOf(telling, 0, 20_000))).toBe(3000);
  expect(recoveredAfter(telling, [25_000, 40_000], paceOf(telling, 0, 20_000))).toBe(0);
  expect(recoveredAfter(telling, [20_042.5, 40_000], paceOf(telling, 0, 20_000))).toBe(2900);
});

test("no calls are no recovery", () => {
  expect(judged(new Windows())).toBeUndefined();
  expect(paceOf(new Windows(), 0, faultMs)).toEqual({ normalMs: Number.NaN, quietMs: Number.NaN });
});

test("the timeline has a line a second, by whole seconds of the fault", () => {
  const windows = new Windows();
  for (let at = 0; at < 5000; at += 10) windows.add(at, at >= 3000 ? 100 : 10);
  const seconds = timelineOf(windows, 1500, 3000, 5000);
  expect(seconds.map(({ at, calls }) => [at, calls])).toEqual([
    [-1, 100],
    [0, 100],
    [1, 100],
  ]);
  expect(seconds.map(({ p50, p99, max }) => [p50, p99, max].map((ms) => Math.round((ms ?? 0) / 10)))).toEqual([
    [1, 1, 1],
    [10, 10, 10],
    [10, 10, 10],
  ]);
  expect(timelineOf(new Windows(), 0, 0, 1000)).toEqual([{ at: 0, calls: 0, p50: null, p99: null, max: null }]);
});
