import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { GetUserRequestSchema, UserService } from "@weft/contracts/user";
import { createClient, openTransport } from "@weft/rpc";
import { startChild } from "./child.ts";
import { caller } from "./peers/grpc-client.ts";
import { getUser } from "./peers/grpc-methods.ts";
import { type Benchmark, interleave } from "./result.ts";

const concurrency = 32;
const roundMs = 2000;

/** Calls for each second, and for each second of this process's CPU. */
async function rate(call: () => Promise<unknown>): Promise<{ perSecond: number; perCpuSecond: number }> {
  const end = performance.now() + roundMs;
  const before = process.cpuUsage();
  let calls = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  const { user, system } = process.cpuUsage(before);
  return { perSecond: (calls / roundMs) * 1000, perCpuSecond: (calls / (user + system)) * 1e6 };
}

export const meshClient: Benchmark = {
  name: "mesh-client",
  about: `Unary calls of a small message to one bare grpc-js server, ${concurrency} at a time: the mesh's client (deadline, trace, retries, balancing) against the client of grpc-js.`,
  async run() {
    await using server = await startChild(join(import.meta.dirname, "peers/grpc-server.ts"), {
      addressOf: (message) => (message as { address?: string }).address,
    });
    await using transport = openTransport({ address: server.address });
    const client = createClient(UserService, transport);
    const bare = caller(server.address, getUser);
    const authorization = "Bearer bench";
    const ours = (): Promise<unknown> => client.getUser({ id: "1" }, { authorization });
    const peer = (): Promise<unknown> => bare(create(GetUserRequestSchema, { id: "1" }));
    const compared = await interleave(
      7,
      () => rate(ours),
      () => rate(peer),
    );
    const peerName = "grpc-js client";
    return [
      { name: "mesh-client", ...compared("perSecond"), peerName, unit: "calls/s" },
      { name: "mesh-client-cpu", ...compared("perCpuSecond"), peerName, unit: "calls/CPU s" },
    ];
  },
};
