import {
  briefly,
  coldJoin,
  crash,
  failing,
  freeze,
  lossy,
  rollingRestart,
  slow,
  stalls,
  surge,
  zoneOutage,
} from "./faults.ts";
import type { Scenario } from "./simulate.ts";
import type { LoadOptions } from "./world/load.ts";

const keys = { count: 10_000, skew: 0 };
/** Twelve instances good for 2,400 calls a second, half busy, called by twelve processes. */
const mesh = { instances: 12, clients: 12, load: open(1_200), keys, instance: () => ({ workers: 2 }) };
/** As few replicas as most services have, with room for one to go. */
const trio = { instances: 3, clients: 3, load: open(450), keys };

/** Every scenario, in the order of the page. */
export const scenarios: readonly Scenario[] = [
  { ...mesh, name: "steady", about: "nothing goes wrong" },
  { ...trio, name: "steady-3", about: "nothing goes wrong, three instances" },
  { ...mesh, name: "slow", about: "one is ten times slower", fault: slow(0, 10) },
  { ...trio, name: "slow-3", about: "one of three is ten times slower", fault: slow(0, 10) },
  { ...trio, name: "slower-3", about: "one of three is three times slower", fault: slow(0, 3) },
  { ...mesh, name: "failing", about: "one fails half its calls, fast", fault: failing(0, 0.5) },
  { ...trio, name: "failing-3", about: "one of three fails half its calls, fast", fault: failing(0, 0.5) },
  {
    ...trio,
    name: "hiccup-3",
    about: "one of three fails everything for half a second, and is looked at for 40",
    fault: briefly(500, failing(0, 1)),
    lastsMs: 40_000,
  },
  { ...mesh, name: "crashed", about: "one is killed", fault: crash(0) },
  { ...trio, name: "crashed-3", about: "one of three is killed", fault: crash(0) },
  { ...mesh, name: "frozen", about: "one is stopped for 20 s", fault: freeze(0), lastsMs: 20_000 },
  { ...trio, name: "frozen-3", about: "one of three is stopped for 20 s", fault: freeze(0), lastsMs: 20_000 },
  {
    ...{ ...trio, load: open(150), instance: () => ({ serviceMs: 4 }) },
    name: "stalls-3",
    about: "each of three stops for 150 ms every 10 s or so, with calls of 4 ms and one in flight at most times",
    fault: stalls(10_000, 150),
    lastsMs: 20_000,
  },
  { ...mesh, name: "lossy", about: "the link of one loses 5 % of its packets", fault: lossy(0, 0.05) },
  {
    ...{ ...trio, load: open(105), instance: () => ({ serviceMs: 4 }) },
    name: "lossy-3",
    about: "the link of one of three loses 5 % of its packets, with calls of 4 ms and 35 a second from each caller",
    fault: lossy(0, 0.05),
    lastsMs: 20_000,
  },
  {
    ...mesh,
    name: "unequal",
    about: "a third has one worker, a third two, a third four, and nobody says so",
    instance: (index) => ({ workers: [1, 2, 4][index % 3] ?? 2 }),
  },
  {
    ...mesh,
    name: "weights",
    about: "the same, and their weights say so",
    instance: (index) => {
      const workers = [1, 2, 4][index % 3] ?? 2;
      return { workers, facts: { weight: workers } };
    },
  },
  {
    ...mesh,
    name: "canary",
    about: "two of twelve are of a version that takes 10 % of calls, and one of them fails half of its own",
    instance: (index) => ({ workers: 2, facts: { version: index < 2 ? "2.0.0" : "1.0.0" } }),
    versions: { split: { "2.0.0": 10 } },
    fault: failing(0, 0.5),
  },
  { ...mesh, name: "cold", about: "a new one joins, ten times slower until it is warm", fault: coldJoin(10) },
  {
    ...{ ...mesh, instances: 10, clients: 10, load: open(1_000) },
    name: "rolling",
    about: "all of ten are replaced, one every two seconds, and are three times slower until they are warm",
    fault: rollingRestart(2_000, 3),
    lastsMs: 22_000,
  },
  { ...mesh, name: "zone-outage", about: "one of three zones is cut off", zones: 3, fault: zoneOutage("zone-0") },
  { ...mesh, name: "zones", about: "three zones, 1 ms apart, all well", zones: 3 },
  {
    ...{ ...mesh, zones: 3 },
    name: "unequal-zones",
    about: "three zones, 1 ms apart, with two, four and six instances, and as many callers in each",
    instance: (index) => ({ workers: 2, facts: { zone: `zone-${[0, 0, 1, 1, 1, 1][index] ?? 2}` } }),
  },
  {
    ...{ ...mesh, instances: 10, load: open(1_000) },
    lastsMs: 6_000,
    name: "overload",
    about: "five times what ten can do",
    fault: surge(10),
  },
  {
    ...{ ...mesh, instances: 200, clients: 100, load: open(5_000), instance: () => ({ serviceMs: 40 }) },
    name: "large",
    about: "two hundred, a hundred callers, one ten times slower",
    fault: slow(0, 10),
    lastsMs: 5_000,
  },
  {
    ...{ ...mesh, instances: 200, clients: 2_000, load: open(6_000), instance: () => ({ serviceMs: 60 }) },
    name: "crowd",
    about: "two hundred, two thousand callers, one ten times slower",
    fault: slow(0, 10),
    lastsMs: 4_000,
    only: ["p2c-ewma"],
  },
  {
    ...{ ...mesh, load: { kind: "closed", callers: 1_000, thinkMs: 820 } },
    name: "closed",
    about: "1,000 callers that wait for their answers, one ten times slower",
    fault: slow(0, 10),
  },
  {
    ...{ ...mesh, keys: { count: 10_000, skew: 1 } },
    name: "hot-keys",
    about: "one key of 10,000 is in a tenth of all calls, the second in a twentieth, and so on",
  },
];

function open(ratePerS: number): LoadOptions {
  return { kind: "open", ratePerS };
}
