import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import autocannon from "autocannon";
import { type Child, startChild } from "./child.ts";
import { caller } from "./peers/grpc-client.ts";
import { createUser, getUser } from "./peers/grpc-methods.ts";
import { create } from "@bufbuild/protobuf";
import { CreateUserRequestSchema, GetUserRequestSchema } from "@weft/contracts/user";
import { type Benchmark, interleave, median, type Result } from "./result.ts";

const connections = 32;
const seconds = 3;
const peers = join(import.meta.dirname, "peers");
const gatewayMain = join(import.meta.dirname, "../../apps/gateway/src/main.ts");
const newUser = { email: "ada@example.org", name: "Ada Lovelace", bio: "mathematician", tags: ["a", "b"] };

const addressOf = (message: unknown): string | undefined => (message as { address?: string }).address;

async function load(address: string, method: "GET" | "POST"): Promise<number> {
  const result = await autocannon({
    url: `http://${address}/api/v1/users${method === "GET" ? "/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b" : ""}`,
    method,
    connections,
    duration: seconds,
    headers: { authorization: "Bearer bench", "content-type": "application/json" },
    ...(method === "POST" ? { body: JSON.stringify(newUser) } : {}),
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${address} failed ${result.non2xx + result.errors} of ${result.requests.total} requests`);
  }
  return result.requests.average;
}

async function callRate(call: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let calls = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  return calls / seconds;
}

/** Throughput, and requests for each CPU second of the process in front. */
async function compare(name: string, method: "GET" | "POST", gateway: Child, proxy: Child): Promise<readonly Result[]> {
  const cpu = { ours: [] as number[], peer: [] as number[] };
  const measured = async (child: Child, into: number[]): Promise<number> => {
    const before = child.cpuMs();
    const perSecond = await load(child.address, method);
    into.push((perSecond * seconds * 1000) / (child.cpuMs() - before));
    return perSecond;
  };
  const throughput = await interleave(
    5,
    () => measured(gateway, cpu.ours),
    () => measured(proxy, cpu.peer),
  );
  const ours = median(cpu.ours.slice(1));
  const peer = median(cpu.peer.slice(1));
  return [
    { name, ...throughput, peerName: "hand-written fastify proxy", unit: "requests/s" },
    {
      name: `${name}-cpu`,
      ours,
      peer,
      ratio: ours / peer,
      peerName: "hand-written fastify proxy",
      unit: "requests/CPU s",
    },
  ];
}

export const gateway: Benchmark = {
  name: "gateway",
  about: `GET and POST of a user over ${connections} connections, the same handler behind: our gateway against a fastify proxy written by hand for these two routes, and against calling the handler by bare grpc-js with no gateway at all.`,
  async run() {
    const dataDir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    try {
      await using backend = await startChild(join(peers, "backend.ts"), { args: [dataDir], addressOf });
      await using proxy = await startChild(join(peers, "fastify-proxy.ts"), { args: [backend.address], addressOf });
      await using ours = await startChild(gatewayMain, {
        env: { WEFT_DATA_DIR: dataDir, WEFT_PORT: "0", WEFT_LOG_LEVEL: "warn" },
        addressOf: (message) => (message as { listeners?: string[] }).listeners?.[0],
      });
      const results = [
        ...(await compare("gateway-get", "GET", ours, proxy)),
        ...(await compare("gateway-post", "POST", ours, proxy)),
      ];
      const callGet = caller(backend.address, getUser);
      const callCreate = caller(backend.address, createUser);
      const direct = {
        get: await interleave(
          3,
          () => load(ours.address, "GET"),
          () => callRate(() => callGet(create(GetUserRequestSchema, { id: "1" }))),
        ),
        post: await interleave(
          3,
          () => load(ours.address, "POST"),
          () => callRate(() => callCreate(create(CreateUserRequestSchema, { user: newUser }))),
        ),
      };
      return [
        ...results,
        { name: "gateway-get-direct", ...direct.get, peerName: "grpc-js client, no gateway", unit: "requests/s" },
        { name: "gateway-post-direct", ...direct.post, peerName: "grpc-js client, no gateway", unit: "requests/s" },
      ];
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  },
};
