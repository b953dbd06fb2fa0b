import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withTimeout } from "@weft/kit";
import { type Child, startChild } from "./child.ts";
import type { LoadDone, LoadOrder } from "./peers/load.ts";
import { type Benchmark, interleave, type RunOptions } from "./result.ts";

const instances = 3;
const concurrency = 32;
const roundSeconds = 2;
/** Calls of each side before a round counts: a process that runs for days is compared, not what V8 still compiles. */
const warmUpCalls = 40_000;
const peers = join(import.meta.dirname, "peers");

/** A process that calls, and how much it gets done. */
interface Caller extends Child {
  load(order: Omit<LoadOrder, "concurrency">): Promise<LoadDone>;
}

async function startCaller(script: string, options: { args?: readonly string[]; dataDir?: string }): Promise<Caller> {
  let told: ((done: LoadDone) => void) | undefined;
  const child = await startChild(join(peers, script), {
    args: options.args ?? [],
    env: options.dataDir === undefined ? {} : { WEFT_DATA_DIR: options.dataDir },
    addressOf: (message) => {
      const { grpc, address = grpc } = message as { address?: string; grpc?: string };
      return address;
    },
    onMessage: (message) => {
      if (typeof message === "object" && message !== null && "done" in message) told?.(message as LoadDone);
    },
  });
  return {
    ...child,
    async load(order) {
      const answer = new Promise<LoadDone>((resolve) => (told = resolve));
      child.send({ ...order, concurrency } satisfies LoadOrder);
      return await withTimeout(() => answer, { timeoutMs: order.ms + 120_000, what: script });
    },
  };
}

/** Calls for each second, and for each second of the caller's CPU. */
async function rate(caller: Caller, seconds: number): Promise<{ perSecond: number; perCpuSecond: number }> {
  const { done, cpuMs } = await caller.load({ ms: seconds * 1000, atLeast: 0 });
  return { perSecond: done / seconds, perCpuSecond: (done * 1000) / cpuMs };
}

export const meshClient: Benchmark = {
  name: "mesh-client",
  about: `Unary calls of a small message to ${instances} replicas, ${concurrency} at a time, each side from a process of its own: a service of the mesh with the client that every service gets (discovery, balancing, health watch, deadlines, retries, breakers, fallback, traces, metrics, decisions), all of it on as by default, against a bare grpc-js client for each replica, used in turn. Each after ${warmUpCalls.toLocaleString("en")} calls; CPU is that of the whole calling process.`,
  async run({ seconds = roundSeconds }: RunOptions = {}) {
    await using stack = new AsyncDisposableStack();
    const dataDir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    stack.defer(() => rm(dataDir, { recursive: true, force: true }));
    const addressOf = (message: unknown): string | undefined => (message as { address?: string }).address;
    const addresses: string[] = [];
    for (let instance = 0; instance < instances; instance += 1) {
      const server = stack.use(await startChild(join(peers, "backend.ts"), { args: [dataDir], addressOf }));
      addresses.push(server.address);
    }
    const ours = stack.use(await startCaller("mesh-caller.ts", { dataDir }));
    const peer = stack.use(await startCaller("grpc-caller.ts", { args: addresses }));
    for (const caller of [ours, peer]) await caller.load({ ms: 0, atLeast: warmUpCalls });
    const compared = await interleave(
      7,
      () => rate(ours, seconds),
      () => rate(peer, seconds),
    );
    const peerName = "grpc-js clients, in turn";
    return [
      { name: "mesh-client", ...compared("perSecond"), peerName, unit: "calls/s" },
      { name: "mesh-client-cpu", ...compared("perCpuSecond"), peerName, unit: "calls/CPU s" },
    ];
  },
};
