import { setTimeout as sleep } from "node:timers/promises";
import type { Replica } from "./replica.ts";
import { type Before, crowded, type World } from "./world.ts";

/** A fault under load, and how soon nobody may notice it any more. */
export interface Scenario {
  readonly name: string;
  /** What happens, for people. */
  readonly about: string;
  /** What has to stand before the last replicas. */
  readonly before: Before["kind"];
  /** See `Limits`. */
  readonly recoveryMs: number | undefined;
  /** Numbers of the replicas that it leaves alone; none where it takes all in turn. */
  readonly healthy: readonly number[];
  /** `signal` ends what takes long. */
  inflict(world: World, signal: AbortSignal): Promise<void>;
  mend(world: World): Promise<void>;
}

/** How much slower a slow replica answers, what share a failing one fails, and a lossy link loses. */
const slowFactor = 10;
const failShare = 0.5;
const lossShare = 0.05;

const firsts = (world: World): readonly Replica[] => crowded.map((service) => world.replica(service, 1));
const killed: readonly number[] = [2, 3];
const proxied: readonly number[] = [1, 2];

/** All faults that are inflicted under the load of the callers, and none at all, by name. */
export const scenarios: readonly Scenario[] = [
  {
    name: "none",
    about: "nothing: the control, which says what the machine does by itself",
    before: "nothing",
    recoveryMs: 1000,
    healthy: [1, 2, 3],
    inflict: async () => undefined,
    mend: async () => undefined,
  },
  {
    name: "kill",
    about: "`kill -9` of one replica each; a new one comes when the fault is over",
    before: "nothing",
    recoveryMs: 1000,
    healthy: killed,
    inflict: async (world) => void (await Promise.all(firsts(world).map((replica) => replica.kill()))),
    mend: async (world) => void (await Promise.all(firsts(world).map((replica) => replica.start()))),
  },
  {
    name: "stop",
    about: "SIGSTOP of one replica each: its connections stay, and nothing answers",
    before: "nothing",
    recoveryMs: 3000,
    healthy: killed,
    inflict: async (world) => firsts(world).forEach((replica) => replica.signal("SIGSTOP")),
    mend: async (world) => firsts(world).forEach((replica) => replica.signal("SIGCONT")),
  },
  {
    name: "slow",
    about: `one replica each takes ${slowFactor} times as long`,
    before: "calls",
    recoveryMs: 1000,
    healthy: proxied,
    inflict: async ({ before }) => callProxies(before).forEach((proxy) => proxy.slow(slowFactor)),
    mend: async ({ before }) => callProxies(before).forEach((proxy) => proxy.restore()),
  },
  {
    name: "failing",
    about: "one replica each fails half of its calls with `UNAVAILABLE`, and says that it is well",
    before: "calls",
    recoveryMs: 1000,
    healthy: proxied,
    inflict: async ({ before }) => callProxies(before).forEach((proxy) => proxy.fail(failShare)),
    mend: async ({ before }) => callProxies(before).forEach((proxy) => proxy.restore()),
  },
  {
    name: "lossy",
    about: `the link of one replica each loses ${100 * lossShare} % of what goes over it`,
    before: "link",
    recoveryMs: 3000,
    healthy: proxied,
    inflict: async ({ before }) => void (await Promise.all(links(before).map((link) => link.lose(lossShare)))),
    mend: async ({ before }) => void (await Promise.all(links(before).map((link) => link.restore()))),
  },
  {
    name: "rolling",
    about: "every process, gateways too, is stopped with SIGTERM and started anew, one after the other",
    before: "nothing",
    recoveryMs: undefined,
    healthy: [],
    async inflict(world, signal) {
      for (const replica of world.replicas) {
        signal.throwIfAborted();
        await replica.stop();
        await replica.start();
        await sleep(settleMs);
      }
    },
    mend: async () => undefined,
  },
];

/** Between two replicas of a rolling restart, in milliseconds. */
const settleMs = 250;

function callProxies(before: Before) {
  if (before.kind !== "calls") throw new Error("nothing before the replicas knows of calls");
  return before.proxies;
}

function links(before: Before) {
  if (before.kind !== "link") throw new Error("there is no link before the replicas");
  return before.proxies;
}
